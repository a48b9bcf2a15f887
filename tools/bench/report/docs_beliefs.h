// Common beliefs, held against the figures.
#pragma once

#include <string>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

std::string Beliefs(const Report& report);

}  // namespace objmapper::bench
