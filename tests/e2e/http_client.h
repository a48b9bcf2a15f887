// A client that says HTTP as it is told, byte by byte, and reads the answers.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "tests/e2e/wire.h"

namespace objmapper::e2e {

struct Reply {
  int status = 0;
  std::string head;  // with its empty line
  std::string body;  // of all chunks, where it came in some

  std::string Field(absl::string_view name) const {
    for (const absl::string_view line : absl::StrSplit(head, "\r\n")) {
      const size_t colon = line.find(": ");
      if (colon != absl::string_view::npos && absl::EqualsIgnoreCase(line.substr(0, colon), name))
        return std::string(line.substr(colon + 2));
    }
    return "";
  }
  bool closes() const { return Field("Connection") == "close"; }
  bool chunked() const { return Field("Transfer-Encoding") == "chunked"; }
};

// A client that says what it is told; "\n" stands for CRLF.
class HttpClient {
 public:
  explicit HttpClient(Wire wire) : wire_(std::move(wire)) {}

  void Say(absl::string_view text) { wire_.Send(absl::StrReplaceAll(text, {{"\n", "\r\n"}})); }
  // One reply; to HEAD if `head_only`.
  Reply Next(bool head_only = false) {
    Reply reply;
    while (!absl::EndsWith(reply.head, "\r\n\r\n")) {
      if (wire_.ReadInto(1, &reply.head) != Wire::Got::kAll) {
        EXPECT_EQ(reply.head, "") << "a head that is cut";
        return reply;
      }
    }
    EXPECT_TRUE(absl::StartsWith(reply.head, "HTTP/1.1 ")) << reply.head;
    EXPECT_TRUE(absl::SimpleAtoi(reply.head.substr(9, 3), &reply.status)) << reply.head;
    size_t length = 0;
    if (reply.chunked()) {
      if (!head_only) ReadChunks(&reply.body);
    } else if (reply.status != 304 && reply.status != 204) {
      EXPECT_TRUE(absl::SimpleAtoi(reply.Field("Content-Length"), &length)) << reply.head;
    }
    if (!head_only && length > 0) reply.body = wire_.Read(length);
    return reply;
  }
  // With a body that is counted.
  Reply Put(absl::string_view path, absl::string_view body, absl::string_view fields = "") {
    Say(absl::StrCat("PUT ", path, " HTTP/1.1\nHost: localhost\nContent-Length: ", body.size(),
                     "\n", fields, "\n"));
    wire_.Send(body);
    return Next();
  }
  Reply Ask(absl::string_view method, absl::string_view path, absl::string_view fields = "") {
    Say(absl::StrCat(method, " ", path, " HTTP/1.1\nHost: localhost\n", fields, "\n"));
    return Next(/*head_only=*/method == "HEAD");
  }
  Reply Get(absl::string_view path, absl::string_view fields = "") {
    Say(absl::StrCat("GET ", path, " HTTP/1.1\nHost: localhost\n", fields, "\n"));
    return Next();
  }
  bool AtEnd() { return wire_.AtEnd(); }
  Wire& wire() { return wire_; }

 private:
  void ReadChunks(std::string* body) {
    while (true) {
      std::string line;
      while (!absl::EndsWith(line, "\r\n")) {
        if (wire_.ReadInto(1, &line) != Wire::Got::kAll) {
          ADD_FAILURE() << "a chunk that is cut";
          return;
        }
      }
      uint64_t bytes = 0;
      if (!absl::SimpleHexAtoi(absl::string_view(line).substr(0, line.size() - 2), &bytes)) {
        ADD_FAILURE() << "no chunk's size: " << line;
        return;
      }
      if (bytes > 0) *body += wire_.Read(bytes);
      EXPECT_EQ(wire_.Read(2), "\r\n");
      if (bytes == 0) return;
    }
  }

  Wire wire_;
};

}  // namespace objmapper::e2e
