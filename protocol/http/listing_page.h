// The parts of a listing's page that do not depend on the folder.
//
// One document, which asks for nothing else: its Content-Security-Policy allows this style and this
// script, by their hashes, and no other; so a name that somebody smuggled markup into could do
// nothing either. Without scripts the page is sorted by name.
#pragma once

#include "absl/strings/string_view.h"

namespace objmapper::protocol::http {

// What stands between <style> and </style>, and between <script> and </script>, to the byte.
extern const absl::string_view kPageStyle;
extern const absl::string_view kPageScript;
// The policy, with the SHA-256 of both, which a test computes.
extern const absl::string_view kPagePolicy;

}  // namespace objmapper::protocol::http
