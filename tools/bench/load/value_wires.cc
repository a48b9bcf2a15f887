// redis: GET and SET in RESP2; memcached: get and set in its text protocol.
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

class Redis : public WireDriver {
 public:
  std::string Request(Ask ask, absl::string_view name, absl::string_view body) const override {
    if (ask == Ask::kPut) {
      return absl::StrCat("*3\r\n$3\r\nSET\r\n$", name.size(), "\r\n", name, "\r\n$", body.size(),
                          "\r\n", body, "\r\n");
    }
    return absl::StrCat("*2\r\n$3\r\nGET\r\n$", name.size(), "\r\n", name, "\r\n");
  }

  // "$<bytes>\r\n<value>\r\n", "$-1\r\n" for no such key, or "-<message>\r\n"; to SET "+OK\r\n".
  Head Next(absl::string_view input, Ask ask, uint32_t) const override {
    if (input.empty()) return Head();
    const char good = ask == Ask::kPut ? '+' : '$';
    if (input[0] != good && input[0] != '-') {
      return BrokenHead("an answer is neither what was asked for ('$', '+') nor an error ('-')");
    }
    const size_t end = input.find("\r\n");
    if (end == absl::string_view::npos) return Head();
    const absl::string_view line = input.substr(1, end - 1);
    Head head = AnswerHead(end + 2);
    if (input[0] == '+') return head;
    if (input[0] == '-') {
      head.ok = false;
      head.message = line;
    } else if (line == "-1") {
      head.ok = false;
      head.message = "no such key";
    } else if (absl::SimpleAtoi(line, &head.body_bytes)) {
      head.trailer_bytes = 2;
    } else {
      return BrokenHead("a bulk string's length is not a number");
    }
    return head;
  }
};

constexpr absl::string_view kValueEnd = "\r\nEND\r\n";

class Memcached : public WireDriver {
 public:
  std::string Request(Ask ask, absl::string_view name, absl::string_view body) const override {
    if (ask == Ask::kPut)
      return absl::StrCat("set ", name, " 0 0 ", body.size(), "\r\n", body, "\r\n");
    return absl::StrCat("get ", name, "\r\n");
  }

  // "VALUE <key> <flags> <bytes>\r\n<value>\r\nEND\r\n", or "END\r\n" for no such key, or an error
  // line; to "set" "STORED\r\n".
  Head Next(absl::string_view input, Ask ask, uint32_t) const override {
    const size_t end = input.find("\r\n");
    if (end == absl::string_view::npos) return Head();
    const absl::string_view line = input.substr(0, end);
    Head head = AnswerHead(end + 2);
    if (ask == Ask::kPut && line == "STORED") return head;
    if (absl::StartsWith(line, "VALUE ")) {
      if (!absl::SimpleAtoi(line.substr(line.rfind(' ') + 1), &head.body_bytes)) {
        return BrokenHead("a VALUE line does not end with a length");
      }
      head.trailer_bytes = kValueEnd.size();
      return head;
    }
    head.ok = false;
    head.message = line;
    if (line == "END") {
      head.message = "no such key";
    } else if (line != "ERROR" && !absl::StartsWith(line, "SERVER_ERROR") &&
               !absl::StartsWith(line, "CLIENT_ERROR")) {
      return BrokenHead("an answer is neither VALUE nor END nor an error");
    }
    return head;
  }
};

}  // namespace

std::unique_ptr<WireDriver> MakeRedis() { return std::make_unique<Redis>(); }
std::unique_ptr<WireDriver> MakeMemcached() { return std::make_unique<Memcached>(); }

}  // namespace objmapper::bench
