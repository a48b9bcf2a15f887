// The calls that read: descriptors, bytes, STAT.

#include <stdlib.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "client/batch.h"
#include "client/body.h"
#include "client/c/handle.h"
#include "client/c/outcome.h"
#include "client/client.h"
#include "client/error.h"
#include "client/object.h"
#include "client/objmapper.h"
#include "protocol/mode.h"

namespace {

using objmapper::client::AsCode;
using objmapper::client::Body;
using objmapper::client::Call;
using objmapper::client::Client;
using objmapper::client::Describe;
using objmapper::client::FdObject;
using objmapper::client::ObjectInfo;
using objmapper::client::Range;
using objmapper::client::Report;
using objmapper::protocol::Mode;

// What is allocated for an answer before its bytes come.
constexpr uint64_t kReservedOnWordBytes = 64 << 20;

using Allocated = std::unique_ptr<char, decltype(&free)>;

std::optional<Range> Native(const om_range* range) {
  if (range == nullptr) return std::nullopt;
  return Range{range->offset, range->length};
}

// An int, since an enumeration that holds none of its values has no meaning in C++.
absl::StatusOr<Mode> Native(int mode) {
  if (mode == OM_COPY) return Mode::kCopy;
  if (mode == OM_SPLICE) return Mode::kSplice;
  return absl::InvalidArgumentError(
      absl::StrCat("mode ", mode, " is neither OM_COPY nor OM_SPLICE"));
}

absl::StatusOr<Body> Open(Client& client, const char* uri, int mode,
                          const std::optional<Range>& range) {
  const absl::StatusOr<Mode> native = Native(mode);
  if (!native.ok()) return native.status();
  return client.OpenBody(uri, *native, range);
}

// Reads the next `bytes` of the body, no more than it has left, into `out`.
absl::Status ReadAll(Body& body, char* out, size_t bytes) {
  while (bytes > 0) {
    const absl::StatusOr<size_t> got = body.Read(absl::MakeSpan(out, bytes));
    if (!got.ok()) return got.status();
    out += *got;
    bytes -= *got;
  }
  return absl::OkStatus();
}

}  // namespace

extern "C" {

om_code om_get_fd(om_client* client, const char* uri, const om_range* range, int* fd, om_info* info,
                  om_error* error) {
  return Call(client, uri, fd != nullptr, error, [&](Client& connected) -> absl::Status {
    absl::StatusOr<FdObject> object = connected.GetFd(uri, Native(range));
    if (!object.ok()) return object.status();
    *fd = object->fd.Release();
    Describe(object->info, info);
    return absl::OkStatus();
  });
}

om_code om_get(om_client* client, const char* uri, int mode, const om_range* range, void** data,
               size_t* size, om_info* info, om_error* error) {
  return Call(
      client, uri, data != nullptr && size != nullptr, error,
      [&](Client& connected) -> absl::Status {
        absl::StatusOr<Body> body = Open(connected, uri, mode, Native(range));
        if (!body.ok()) return body.status();
        const uint64_t length = body->info().length;
        if (length > client->bytes_max) {
          return AsCode(
              OM_TOO_LARGE,
              absl::ResourceExhaustedError(absl::StrCat(
                  uri, ": its ", length, " bytes are more than om_options.bytes_max (",
                  client->bytes_max, "); this connection is closed. Get a part, or a descriptor")));
        }
        Allocated bytes(nullptr, &free);
        // The server's word alone takes little memory: more comes as the bytes do.
        // realloc(3) moves no large ones.
        for (uint64_t have = 0, room = 0; bytes == nullptr || have < length; have = room) {
          room = std::min(length, std::max<uint64_t>(2 * have, kReservedOnWordBytes));
          char* const more = static_cast<char*>(realloc(bytes.get(), room == 0 ? 1 : room));
          if (more == nullptr) throw std::bad_alloc();
          bytes.release();
          bytes.reset(more);
          if (absl::Status status = ReadAll(*body, more + have, room - have); !status.ok())
            return status;
        }
        *data = bytes.release();
        *size = length;
        Describe(body->info(), info);
        return absl::OkStatus();
      });
}

void om_free(void* data) { free(data); }

om_code om_get_into(om_client* client, const char* uri, int mode, uint64_t offset, void* buffer,
                    size_t capacity, size_t* got, om_info* info, om_error* error) {
  const bool complete = got != nullptr && (buffer != nullptr || capacity == 0);
  return Call(client, uri, complete, error, [&](Client& connected) -> absl::Status {
    // On the wire a length of 0 means "to the end". So one byte is asked for, and dropped.
    char dropped;
    char* const out = capacity == 0 ? &dropped : static_cast<char*>(buffer);
    absl::StatusOr<Body> body =
        Open(connected, uri, mode, Range{offset, capacity == 0 ? 1 : capacity});
    if (!body.ok()) return body.status();
    if (absl::Status status = ReadAll(*body, out, body->left()); !status.ok()) return status;
    ObjectInfo granted = body->info();
    if (capacity == 0) granted.length = 0;
    *got = granted.length;
    Describe(granted, info);
    return absl::OkStatus();
  });
}

om_code om_stat(om_client* client, const char* uri, om_info* info, om_error* error) {
  return Call(client, uri, true, error, [&](Client& connected) -> absl::Status {
    const absl::StatusOr<ObjectInfo> told = connected.Stat(uri);
    if (told.ok()) Describe(*told, info);
    return told.status();
  });
}

om_code om_get_fds(om_client* client, const char* const* uris, size_t count,
                   om_fd_callback callback, void* context, om_error* error) {
  // Call() looks for a name; here the names are many.
  const bool complete = callback != nullptr && (uris != nullptr || count == 0);
  return Call(client, "", complete, error, [&](Client& connected) -> absl::Status {
    std::vector<std::string> names;
    names.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      // neither is one: that is its own error, and no other's
      names.emplace_back(uris[i] == nullptr ? "" : uris[i]);
    }
    absl::Status end = connected.status();
    objmapper::client::BatchGetFd(
        connected, names, [&](size_t index, absl::StatusOr<FdObject> object) {
          if (object.ok()) {
            om_info info;
            Describe(object->info, &info);
            callback(context, index, object->fd.Release(), &info, nullptr);
            return;
          }
          om_error own;
          const om_code code = Report(object.status(), &own);
          if (code == OM_DESCRIPTORS_LOST || !connected.status().ok()) end = object.status();
          callback(context, index, -1, nullptr, &own);
        });
    return end;
  });
}

}  // extern "C"
