#include "tools/bench/text_file.h"

#include <errno.h>

#include <fstream>
#include <sstream>

#include "net/errno_status.h"

namespace objmapper::bench {

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return net::ErrnoToStatus(errno, "read " + path);
  return text.str();
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  if (!(out << text) || !out.flush()) return net::ErrnoToStatus(errno, "write " + path);
  return absl::OkStatus();
}

}  // namespace objmapper::bench
