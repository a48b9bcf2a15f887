// Reads a file with a token.
#include "client/options.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "protocol/limits.h"
#include "text/printable.h"

namespace objmapper::client {

absl::StatusOr<std::string> ReadTokenFile(const std::string& path) {
  const std::string what = absl::StrCat("token file ", text::Printable(path));
  const net::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return net::ErrnoToStatus(errno, absl::StrCat("open ", what));
  // Blanks around it, and one byte by which a longer one is known.
  constexpr size_t kRoom = protocol::kTokenBytesMax + 64;
  std::string text(kRoom, '\0');
  size_t have = 0;
  while (have < text.size()) {
    const ssize_t got =
        TEMP_FAILURE_RETRY(read(file.get(), text.data() + have, text.size() - have));
    if (got < 0) return net::ErrnoToStatus(errno, absl::StrCat("read ", what));
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  text.resize(have);
  absl::StripAsciiWhitespace(&text);
  const auto wrong = [&what](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ", why));
  };
  if (have == kRoom || text.size() > protocol::kTokenBytesMax)
    return wrong(absl::StrCat("a token has at most ", protocol::kTokenBytesMax, " bytes"));
  if (text.empty()) return wrong("there is no token in it");
  if (text.find_first_of(" \t\r\n") != text.npos)
    return wrong("there is more than a token in it: it is to have one line, of one word");
  return text;
}

}  // namespace objmapper::client
