// Whom a report is about: its losses are told openly.
#pragma once

namespace objmapper::bench {

inline constexpr char kSubject[] = "mode_routing";

}  // namespace objmapper::bench
