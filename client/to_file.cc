#include "client/to_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "client/new_file.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"

namespace objmapper::client {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;

absl::StatusOr<FileResult> FromDescriptor(Client& client, absl::string_view uri, int out,
                                          absl::string_view out_name,
                                          const ToFileOptions& options) {
  absl::StatusOr<FdObject> object = client.GetFd(uri, options.range);
  if (!object.ok()) return object.status();
  const absl::StatusOr<CopyMethod> method = CopyRange(
      object->fd.get(), object->info.offset, object->info.length, out, out_name, options.progress);
  if (!method.ok()) return About(WhatWasAsked(options.mode, uri), method.status());
  return FileResult{std::move(object->info), *method};
}

absl::StatusOr<FileResult> FromConnection(Client& client, absl::string_view uri, int out,
                                          absl::string_view out_name,
                                          const ToFileOptions& options) {
  absl::StatusOr<Body> body = client.OpenBody(uri, options.mode, options.range);
  if (!body.ok()) return body.status();
  const uint64_t total = body->info().length;
  std::string buffer(std::min<uint64_t>(total, kBufferBytes), '\0');
  while (body->left() > 0) {
    const absl::StatusOr<size_t> got = body->Read(absl::MakeSpan(&buffer[0], buffer.size()));
    if (!got.ok()) return got.status();
    const absl::Status written = WriteAll(out, absl::string_view(buffer.data(), *got), out_name);
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

bool IsDeviceOrFifo(const std::string& path) {
  struct stat attributes;
  return stat(path.c_str(), &attributes) == 0 &&
         (S_ISCHR(attributes.st_mode) || S_ISBLK(attributes.st_mode) ||
          S_ISFIFO(attributes.st_mode));
}

}  // namespace

absl::StatusOr<FileResult> GetToFd(Client& client, absl::string_view uri, int out,
                                   const ToFileOptions& options) {
  return Get(client, uri, out, absl::StrCat("descriptor ", out), options);
}

absl::StatusOr<FileResult> GetToFile(Client& client, absl::string_view uri, absl::string_view path,
                                     const ToFileOptions& options) {
  const std::string name(path);
  if (IsDeviceOrFifo(name)) {
    const net::UniqueFd device(open(name.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!device.valid()) return net::ErrnoToStatus(errno, absl::StrCat("open ", path));
    return Get(client, uri, device.get(), path, options);
  }
  absl::StatusOr<NewFile> file = NewFile::Create(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<FileResult> result = Get(client, uri, file->fd(), path, options);
  if (!result.ok()) return result;
  if (absl::Status status = file->Commit(); !status.ok()) {
    return About(WhatWasAsked(options.mode, uri), status);
  }
  return result;
}

}  // namespace objmapper::client
