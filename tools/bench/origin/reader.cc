// By descriptor, by COPY, by HTTP, and from files.
#include "tools/bench/origin/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/client.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "origin/cache/crc32c.h"

namespace objmapper::bench {
namespace {

// Stays in a core's cache between being read and being summed up.
constexpr size_t kPieceBytes = 256 * 1024;
// A descriptor comes when all of its object has come.
constexpr absl::Duration kPatience = absl::Minutes(10);

// Takes pieces and notes when.
class Counter {
 public:
  void Add(absl::string_view piece) {
    if (got_.bytes == 0) got_.first_byte_s = Seconds();
    got_.bytes += piece.size();
    got_.crc32c = origin::Crc32c(piece, got_.crc32c);
  }
  Got End() {
    got_.seconds = Seconds();
    return got_;
  }

 private:
  double Seconds() const { return absl::ToDoubleSeconds(absl::Now() - start_); }
  const absl::Time start_ = absl::Now();
  Got got_;
};

absl::Status ReadFd(int fd, uint64_t offset, uint64_t length, bool first_byte_only,
                    const std::string& what, Counter& counter) {
  const auto buffer = std::make_unique<char[]>(kPieceBytes);
  for (const uint64_t end = offset + length; offset < end;) {
    const size_t wanted = first_byte_only ? 1 : std::min<uint64_t>(kPieceBytes, end - offset);
    const ssize_t got = pread(fd, buffer.get(), wanted, static_cast<off_t>(offset));
    if (got < 0) return net::ErrnoToStatus(errno, absl::StrCat("read ", what));
    if (got == 0) return absl::DataLossError(absl::StrCat(what, " ends at ", offset));
    counter.Add({buffer.get(), static_cast<size_t>(got)});
    if (first_byte_only) break;
    offset += static_cast<uint64_t>(got);
  }
  return absl::OkStatus();
}

absl::Status ReadBody(client::Client& client, const std::string& uri, const Part& part,
                      Counter& counter) {
  absl::StatusOr<client::Body> body = client.OpenBody(uri, protocol::Mode::kCopy, part.range);
  if (!body.ok()) return body.status();
  const auto buffer = std::make_unique<char[]>(kPieceBytes);
  while (body->left() > 0) {
    const absl::StatusOr<size_t> got = body->Read(absl::MakeSpan(buffer.get(), kPieceBytes));
    if (!got.ok()) return got.status();
    counter.Add({buffer.get(), *got});
    if (part.first_byte_only) break;
  }
  return absl::OkStatus();
}

}  // namespace

const char* NameOf(Way way) {
  switch (way) {
    case Way::kFdPass:
      return "FDPASS";
    case Way::kCopy:
      return "COPY";
    case Way::kHttp:
      break;
  }
  return "HTTP";
}

absl::StatusOr<Got> ReadFrom(const Node& node, Way way, const std::string& uri, const Part& part) {
  if (way == Way::kHttp) return ReadByHttp(node.http(uri), part);
  Counter counter;
  client::Options options;
  options.request_timeout = kPatience;
  absl::StatusOr<client::Client> client = client::Client::Connect(node.url(), options);
  if (!client.ok()) return client.status();
  if (way == Way::kCopy) {
    if (absl::Status read = ReadBody(*client, uri, part, counter); !read.ok()) return read;
    return counter.End();
  }
  const absl::StatusOr<client::FdObject> object = client->GetFd(uri, part.range);
  if (!object.ok()) return object.status();
  const absl::Status read = ReadFd(object->fd.get(), object->info.offset, object->info.length,
                                   part.first_byte_only, uri, counter);
  if (!read.ok()) return read;
  return counter.End();
}

absl::StatusOr<Got> ReadByHttp(const HttpPlace& place, const Part& part) {
  Counter counter;
  std::string range;
  if (part.range.has_value()) {
    range = absl::StrCat("bytes=", part.range->offset, "-",
                         part.range->offset + part.range->length - 1);
  }
  const absl::Status read = HttpRead(place, range, [&](absl::string_view piece) {
    counter.Add(piece);
    return !part.first_byte_only;
  });
  if (!read.ok()) return read;
  return counter.End();
}

absl::StatusOr<Got> ReadFiles(const std::vector<std::string>& paths) {
  Counter counter;
  for (const std::string& path : paths) {
    const net::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return net::ErrnoToStatus(errno, absl::StrCat("open ", path));
    const off_t bytes = lseek(file.get(), 0, SEEK_END);
    if (bytes < 0) return net::ErrnoToStatus(errno, absl::StrCat("size of ", path));
    const absl::Status read =
        ReadFd(file.get(), 0, static_cast<uint64_t>(bytes), false, path, counter);
    if (!read.ok()) return read;
  }
  return counter.End();
}

absl::Status CheckWhole(const Got& got, const Content& content, absl::string_view what) {
  if (got.bytes == content.bytes() && got.crc32c == content.crc32c()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(what, " got ", got.bytes, " bytes of ", content.bytes(),
                                          got.bytes == content.bytes() ? ", and other ones" : ""));
}

}  // namespace objmapper::bench
