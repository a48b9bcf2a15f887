// Gets an object into an Output. The output is committed only when all bytes of one version have
// arrived.
#include "client/to_file.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "client/new_file.h"

namespace objmapper::client {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
// An object's size is asked for so many times before it counts as one that does not stay.
constexpr int kSizeAttempts = 8;

// The last `bytes` of an object of `size`, or all of a shorter one.
Range LastOf(uint64_t size, uint64_t bytes) {
  const uint64_t length = std::min(size, bytes);
  return Range{size - length, length};
}

absl::StatusOr<FileResult> FromDescriptor(Client& client, absl::string_view uri, int out,
                                          absl::string_view out_name,
                                          const ToFileOptions& options) {
  absl::StatusOr<FdObject> object = client.GetFd(
      uri, options.last.has_value() ? std::nullopt : options.range, options.if_none_match);
  if (!object.ok()) return object.status();
  if (options.last.has_value()) {
    const Range last = LastOf(object->info.size, *options.last);
    object->info.offset = last.offset;
    object->info.length = last.length;
  }
  const absl::StatusOr<CopyMethod> method =
      CopyRange(object->fd.get(), object->info.offset, object->info.length, out, out_name,
                options.progress, options.inspect);
  if (!method.ok()) return About(WhatWasAsked(options.mode, uri), method.status());
  return FileResult{std::move(object->info), *method};
}

// The body of what is asked for. The last bytes are asked for in two steps, since only the size
// tells where they begin; where the object is replaced by one of another size between the two,
// again.
absl::StatusOr<Body> OpenAsked(Client& client, absl::string_view uri,
                               const ToFileOptions& options) {
  if (!options.last.has_value())
    return client.OpenBody(uri, options.mode, options.range, options.if_none_match);
  for (int i = 0; i < kSizeAttempts; ++i) {
    const absl::StatusOr<ObjectInfo> now = client.Stat(uri);
    if (!now.ok()) return now.status();
    // A range that begins at the end is none.
    std::optional<Range> last;
    if (now->size > 0) last = LastOf(now->size, *options.last);
    absl::StatusOr<Body> body = client.OpenBody(uri, options.mode, last, options.if_none_match);
    if (!body.ok() && !absl::IsOutOfRange(body.status())) return body;
    if (body.ok() && body->info().size == now->size) return body;
    if (body.ok()) {
      char buffer[4096];
      while (body->left() > 0) {
        const absl::StatusOr<size_t> got = body->Read(absl::MakeSpan(buffer, sizeof(buffer)));
        if (!got.ok()) return got.status();
      }
    }
  }
  return About(WhatWasAsked(options.mode, uri), absl::AbortedError("its size keeps changing"));
}

absl::StatusOr<FileResult> FromConnection(Client& client, absl::string_view uri, int out,
                                          absl::string_view out_name,
                                          const ToFileOptions& options) {
  absl::StatusOr<Body> body = OpenAsked(client, uri, options);
  if (!body.ok()) return body.status();
  const uint64_t total = body->info().length;
  std::string buffer(std::min<uint64_t>(total, kBufferBytes), '\0');
  while (body->left() > 0) {
    const absl::StatusOr<size_t> got = body->Read(absl::MakeSpan(&buffer[0], buffer.size()));
    if (!got.ok()) return got.status();
    const absl::string_view piece(buffer.data(), *got);
    absl::Status written = options.inspect ? options.inspect(piece) : absl::OkStatus();
    if (written.ok()) written = WriteAll(out, piece, out_name);
    if (!written.ok()) return About(WhatWasAsked(options.mode, uri), written);
    if (options.progress) options.progress(total - body->left(), total);
  }
  if (total == 0 && options.progress) options.progress(0, 0);
  return FileResult{body->info(), CopyMethod::kSocket};
}

absl::StatusOr<FileResult> Get(Client& client, absl::string_view uri, int out,
                               absl::string_view out_name, const ToFileOptions& options) {
  return options.mode == protocol::Mode::kFdPass
             ? FromDescriptor(client, uri, out, out_name, options)
             : FromConnection(client, uri, out, out_name, options);
}

}  // namespace

absl::StatusOr<FileResult> GetToFd(Client& client, absl::string_view uri, int out,
                                   const ToFileOptions& options) {
  return Get(client, uri, out,
             out == STDOUT_FILENO ? "standard output" : absl::StrCat("descriptor ", out), options);
}

absl::StatusOr<FileResult> GetToFile(Client& client, absl::string_view uri, absl::string_view path,
                                     const ToFileOptions& options) {
  absl::StatusOr<Output> output = Output::Open(path);
  if (!output.ok()) return output.status();
  absl::StatusOr<FileResult> result = Get(client, uri, output->fd(), path, options);
  if (!result.ok()) return result;
  if (absl::Status status = output->Commit(); !status.ok()) {
    return About(WhatWasAsked(options.mode, uri), status);
  }
  return result;
}

}  // namespace objmapper::client
