// What an origin does wrong, on command (tests/origin/bad_origin.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace objmapper::origin::testing {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// What is done instead of what is right. The functions make one each; fields may be combined.
struct Fault {
  // ---- Instead of the object ----
  int status = 0;    // an error, with S3's document of `code` as its body, unless `body` is set
  std::string code;  // S3's
  std::string body;
  std::string raw;  // these bytes instead of an answer, then the connection is closed
  bool ignores_range = false;

  // ---- In the head ----
  // Instead of the header of that name, or added; an empty value takes it away.
  HeaderList headers;
  bool chunked = false;         // the body in chunks, with no Content-Length
  bool no_final_chunk = false;  // the same, and closed without the last one

  // ---- On the way ----
  // From where something happens: before the head, behind so many of the body's bytes; bodies are
  // sent as they are up to there.
  bool before_head = false;
  std::optional<uint64_t> at;
  enum class Then : uint8_t {
    kGoOn,
    kStay,  // silence, until the peer goes
    kClose,
    kReset,  // RST
    kDrip,   // a byte every 10 ms
  };
  Then then = Then::kGoOn;
  std::function<void()> run;        // there, before `then`
  std::optional<uint64_t> endless;  // zeros without an end behind the body, this Content-Length

  static Fault Error(int status, std::string code = "");
  static Fault SilentBeforeHead();
  static Fault SilentAt(uint64_t n);  // 0: between head and body
  static Fault DripFrom(uint64_t n);
  static Fault CutBeforeHead();
  static Fault CutAt(uint64_t n);
  static Fault ResetBeforeHead();
  static Fault ResetAt(uint64_t n);
  static Fault Raw(std::string bytes);
  static Fault Says(std::string header, std::string value);  // "": leaves it out
  static Fault IgnoresRange();
  static Fault Redirects(int status, std::string location);
  static Fault Endless(uint64_t said_bytes);
  static Fault Does(uint64_t n, std::function<void()> run);  // behind n bytes, then goes on
};

}  // namespace objmapper::origin::testing
