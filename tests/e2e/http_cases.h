// The requests of docs/http-cases.md, and what the page says of them: the one table of what two
// servers could read in two ways.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace objmapper::e2e {

struct HttpCase {
  std::string name;
  std::string bytes;  // what is sent
  // What objmapper answers to `bytes` and kHttpBehind: see HttpVerdict().
  std::string told;

  // Whether it is over only when its sender says that no more will come.
  bool waits() const;
  // Whether objmapper takes it for a request of its own protocol, when it is the first.
  bool is_no_http() const;
};

// What is sent behind each case: a request for an object of its own, and no other after it.
inline constexpr absl::string_view kHttpBehind =
    "GET /behind HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

// The objects that cases ask for: "a", "path/b", "behind", and "smuggled", which only requests
// ask for that are some other request's body.
struct HttpObject {
  const char* name;
  const char* content;
};
inline constexpr HttpObject kHttpObjects[] = {
    {"a", "what a holds"},
    {"behind", "what is behind"},
    {"smuggled", "what was smuggled"},
    {"path/b", "what b holds"},
};

// All of them, from the page that the environment variable OBJMAPPER_HTTP_CASES names.
std::vector<HttpCase> LoadHttpCases();

// What was answered to a case and kHttpBehind, in the page's words: "200" if then what is behind it
// was answered, "400 close" if nothing was, "200, smuggled close" if what should not have been.
// to_head: the case is a HEAD request.
std::string HttpVerdict(absl::string_view answered, bool to_head);

// Takes the first reply off `answered`: "404" and its body, or "no HTTP" and everything. An object
// of kHttpObjects that nobody but the page's cases asks for goes by its name: "behind", "smuggled".
std::string TakeHttpReply(absl::string_view* answered, bool to_head, std::string* body);

}  // namespace objmapper::e2e
