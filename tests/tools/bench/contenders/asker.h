// A client of a floor or a model: V2 by hand, descriptors on headers.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "tools/bench/load/load.h"

namespace objmapper::bench {

// Connects or fails the test.
net::UniqueFd DialEndpoint(const Endpoint& endpoint);
// A socket that stays silent this long has failed the test.
inline constexpr int kSilenceSeconds = 20;

class Asker {
 public:
  // Says HELLO and reads the ACK. `batch`: several answers a message.
  Asker(const Endpoint& endpoint, bool batch = false);

  // `mode`: '1', '2', '3'. Answers come with Next().
  void Ask(char mode, absl::string_view name, uint32_t id = 7);

  struct Answer {
    int status = -1;  // -1: none came
    uint32_t id = 0;
    std::string body;  // of '2' and '3'
    net::UniqueFd fd;  // of '1'
  };
  // The next answer; `descriptor`: to a request of mode '1'.
  Answer Next(bool descriptor);

  // What a descriptor reads from its start.
  static std::string ReadAll(int fd);

 private:
  bool Fill(size_t bytes);

  net::UniqueFd socket_;
  std::string input_;
  std::vector<net::UniqueFd> fds_;
};

}  // namespace objmapper::bench
