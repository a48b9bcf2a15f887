// The calls of client/objmapper.h. They have the names and the linkage of C wherever they are
// defined; being in this namespace saves its name before all that they use.
#include "client/objmapper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/batch.h"
#include "client/c/call.h"
#include "client/client.h"
#include "client/error.h"
#include "client/object.h"
#include "client/options.h"
#include "net/errno_status.h"
#include "protocol/capabilities.h"
#include "protocol/mode.h"
#include "text/version.h"

namespace objmapper::client {
namespace {

using protocol::Mode;

static_assert(text::kVersion == OM_VERSION,
              "text/version.h and client/objmapper.h name different versions");

// What an older program's options do not have stays 0, the default.
absl::Status Read(const om_options* given, om_options* options) {
  *options = OM_OPTIONS_INIT;
  if (given == nullptr) return absl::OkStatus();
  if (given->struct_bytes < sizeof(size_t) || given->struct_bytes > sizeof(om_options)) {
    return absl::InvalidArgumentError(
        absl::StrCat("om_options.struct_bytes is ", given->struct_bytes, ", not ",
                     sizeof(om_options), ": begin with OM_OPTIONS_INIT"));
  }
  memcpy(options, given, given->struct_bytes);
  if (options->max_pipeline > UINT16_MAX) {
    return absl::InvalidArgumentError(absl::StrCat(
        "om_options.max_pipeline is ", options->max_pipeline, "; at most ", UINT16_MAX));
  }
  return absl::OkStatus();
}

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
                          const std::optional<Range>& range, absl::string_view if_none_match = "") {
  const absl::StatusOr<Mode> native = Native(mode);
  if (!native.ok()) return native.status();
  return client.OpenBody(uri, *native, range, if_none_match);
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

PutOptions LivingFor(uint32_t ttl_s) {
  PutOptions options;
  if (ttl_s != 0) options.ttl = absl::Seconds(ttl_s);
  return options;
}

// The same on a condition: see om_put_if().
PutOptions LivingFor(uint32_t ttl_s, const char* if_match) {
  PutOptions options = LivingFor(ttl_s);
  options.if_absent = if_match == nullptr;
  if (if_match != nullptr) options.if_match = if_match;
  return options;
}

// An etag that must be one: an empty one would be no condition.
absl::Status CheckEtag(absl::string_view etag) {
  if (!etag.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the etag is empty: with om_options.versions, or from "
      "om_stat(), an om_info has one");
}

absl::Status Described(const absl::StatusOr<ObjectInfo>& told, om_client* client, om_info* info) {
  if (told.ok()) Describe(*told, client, info);
  return told.status();
}

absl::Status GetFd(om_client* client, const char* uri, const std::optional<Range>& range,
                   absl::string_view if_none_match, int* fd, om_info* info) {
  absl::StatusOr<FdObject> object = client->client.GetFd(uri, range, if_none_match);
  if (!object.ok()) return object.status();
  *fd = object->fd.Release();
  Describe(object->info, client, info);
  return absl::OkStatus();
}

absl::Status Get(om_client* client, const char* uri, int mode, const std::optional<Range>& range,
                 absl::string_view if_none_match, void** data, size_t* size, om_info* info) {
  absl::StatusOr<Body> body = Open(client->client, uri, mode, range, if_none_match);
  if (!body.ok()) return body.status();
  const uint64_t length = body->info().length;
  if (length > client->bytes_max) {
    return absl::OutOfRangeError(absl::StrCat(
        uri, ": its ", length, " bytes are more than om_options.bytes_max (", client->bytes_max,
        "); this connection is closed. Get a part, or a descriptor"));
  }
  Allocated bytes(nullptr, &free);
  // The server's word alone takes little memory: more comes as the bytes do. realloc(3) moves no
  // large ones.
  for (uint64_t have = 0, room = 0; bytes == nullptr || have < length; have = room) {
    room = std::min(length, std::max<uint64_t>(2 * have, kReservedOnWordBytes));
    char* const more = static_cast<char*>(realloc(bytes.get(), room == 0 ? 1 : room));
    if (more == nullptr) throw std::bad_alloc();
    bytes.release();
    bytes.reset(more);
    if (absl::Status status = ReadAll(*body, more + have, room - have); !status.ok()) return status;
  }
  *data = bytes.release();
  *size = length;
  Describe(body->info(), client, info);
  return absl::OkStatus();
}

absl::Status PutFd(om_client* client, const char* uri, int fd, const PutOptions& options,
                   om_info* info) {
  // Or sendmsg(2) would find it out, in the middle of a request.
  if (fcntl(fd, F_GETFD) < 0) {
    const absl::Status error = net::ErrnoToStatus(errno, absl::StrCat("descriptor ", fd));
    return absl::InvalidArgumentError(error.message());
  }
  return Described(client->client.PutFd(uri, fd, options), client, info);
}

om_code List(om_client* client, const char* prefix, bool through, om_list_callback callback,
             void* context, om_error* error) {
  return Call(client, prefix, callback != nullptr, error, [&](Client& connected) {
    return connected.ListAll(
        prefix,
        [&](ListEntry entry) {
          return callback(context, entry.uri.c_str(), entry.size,
                          static_cast<uint64_t>(entry.mtime_s)) == 0;
        },
        through);
  });
}

}  // namespace

extern "C" {

const char* om_version(void) { return OM_VERSION; }

const char* om_code_name(int code) {
  static constexpr const char* kNames[] = {"OM_OK",
                                           "OM_NOT_FOUND",
                                           "OM_INVALID",
                                           "OM_UNSUPPORTED",
                                           "OM_PERMISSION_DENIED",
                                           "OM_RANGE",
                                           "OM_TOO_LARGE",
                                           "OM_CONFLICT",
                                           "OM_UNAVAILABLE",
                                           "OM_SERVER",
                                           "OM_TIMEOUT",
                                           "OM_CONNECTION",
                                           "OM_PROTOCOL",
                                           "OM_DESCRIPTORS_LOST",
                                           "OM_NO_MEMORY",
                                           "OM_LOCAL",
                                           "OM_PRECONDITION_FAILED",
                                           "OM_NOT_MODIFIED"};
  static_assert(std::size(kNames) == OM_NOT_MODIFIED + 1);
  return code >= 0 && code <= OM_NOT_MODIFIED ? kNames[code] : "unknown";
}

om_code om_connect(const char* url, const om_options* options, om_client** client,
                   om_error* error) {
  if (client != nullptr) *client = nullptr;
  return Guarded(error, [&]() -> absl::Status {
    if (url == nullptr || client == nullptr)
      return absl::InvalidArgumentError("an unexpected null pointer");
    om_options given;
    if (absl::Status bad = Read(options, &given); !bad.ok()) return bad;
    Options native;
    if (given.connect_timeout_ms != 0)
      native.connect_timeout = absl::Milliseconds(given.connect_timeout_ms);
    if (given.request_timeout_ms != 0)
      native.request_timeout = absl::Milliseconds(given.request_timeout_ms);
    if (given.bytes_max != 0) native.bytes_max = given.bytes_max;
    native.max_pipeline = static_cast<uint16_t>(given.max_pipeline);
    if (given.check_server_uid != 0) native.server_uids = {given.server_uid};
    if (given.versions != 0) native.capabilities |= protocol::kVersions;
    if (given.token != nullptr) native.token = given.token;
    absl::StatusOr<Client> connected = Client::Connect(url, native);
    if (!connected.ok()) return connected.status();
    *client = new om_client(*std::move(connected), native.bytes_max);
    return absl::OkStatus();
  });
}

// Without a goodbye: that would wait for the answer, and a child must not say it for its parent.
void om_close(om_client* client) { delete client; }

om_code om_get_fd(om_client* client, const char* uri, const om_range* range, int* fd, om_info* info,
                  om_error* error) {
  return Call(client, uri, fd != nullptr, error,
              [&](Client&) { return GetFd(client, uri, Native(range), "", fd, info); });
}

om_code om_get_fd_unless(om_client* client, const char* uri, const char* if_none_match, int* fd,
                         om_info* info, om_error* error) {
  const bool complete = fd != nullptr && if_none_match != nullptr;
  return Call(client, uri, complete, error, [&](Client&) {
    const absl::Status etag = CheckEtag(if_none_match);
    return etag.ok() ? GetFd(client, uri, std::nullopt, if_none_match, fd, info) : etag;
  });
}

om_code om_get(om_client* client, const char* uri, int mode, const om_range* range, void** data,
               size_t* size, om_info* info, om_error* error) {
  return Call(client, uri, data != nullptr && size != nullptr, error,
              [&](Client&) { return Get(client, uri, mode, Native(range), "", data, size, info); });
}

om_code om_get_unless(om_client* client, const char* uri, int mode, const char* if_none_match,
                      void** data, size_t* size, om_info* info, om_error* error) {
  const bool complete = data != nullptr && size != nullptr && if_none_match != nullptr;
  return Call(client, uri, complete, error, [&](Client&) {
    const absl::Status etag = CheckEtag(if_none_match);
    return etag.ok() ? Get(client, uri, mode, std::nullopt, if_none_match, data, size, info) : etag;
  });
}

om_code om_last_details(const om_client* client, om_details* details, om_error* error) {
  return Guarded(error, [&]() -> absl::Status {
    if (client == nullptr || details == nullptr)
      return absl::InvalidArgumentError("an unexpected null pointer");
    return Describe(client->last, details);
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
    Describe(granted, client, info);
    return absl::OkStatus();
  });
}

om_code om_stat(om_client* client, const char* uri, om_info* info, om_error* error) {
  return Call(client, uri, true, error, [&](Client& connected) -> absl::Status {
    return Described(connected.Stat(uri), client, info);
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
    BatchGetFd(connected, names, [&](size_t index, absl::StatusOr<FdObject> object) {
      if (object.ok()) {
        om_info info;
        Describe(object->info, client, &info);
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

om_code om_put(om_client* client, const char* uri, const void* data, size_t size, uint32_t ttl_s,
               om_info* info, om_error* error) {
  return Call(client, uri, data != nullptr || size == 0, error, [&](Client& connected) {
    const absl::string_view bytes(static_cast<const char*>(data), size);
    return Described(connected.Put(uri, bytes, LivingFor(ttl_s)), client, info);
  });
}

om_code om_put_if(om_client* client, const char* uri, const char* if_match, const void* data,
                  size_t size, uint32_t ttl_s, om_info* info, om_error* error) {
  return Call(
      client, uri, data != nullptr || size == 0, error, [&](Client& connected) -> absl::Status {
        if (absl::Status etag = CheckEtag(if_match == nullptr ? "none" : if_match); !etag.ok())
          return etag;
        const absl::string_view bytes(static_cast<const char*>(data), size);
        return Described(connected.Put(uri, bytes, LivingFor(ttl_s, if_match)), client, info);
      });
}

om_code om_put_fd(om_client* client, const char* uri, int fd, uint32_t ttl_s, om_info* info,
                  om_error* error) {
  return Call(client, uri, true, error,
              [&](Client&) { return PutFd(client, uri, fd, LivingFor(ttl_s), info); });
}

om_code om_put_fd_if(om_client* client, const char* uri, const char* if_match, int fd,
                     uint32_t ttl_s, om_info* info, om_error* error) {
  return Call(client, uri, true, error, [&](Client&) -> absl::Status {
    if (absl::Status etag = CheckEtag(if_match == nullptr ? "none" : if_match); !etag.ok())
      return etag;
    return PutFd(client, uri, fd, LivingFor(ttl_s, if_match), info);
  });
}

om_code om_put_memory(om_client* client, const char* uri, const void* data, size_t size,
                      uint32_t ttl_s, om_info* info, om_error* error) {
  return Call(client, uri, data != nullptr || size == 0, error,
              [&](Client& connected) -> absl::Status {
                const absl::string_view bytes(static_cast<const char*>(data), size);
                const absl::Status status =
                    Described(connected.PutMemory(uri, bytes, LivingFor(ttl_s)), client, info);
                // No descriptor is received here that could be lost: there is no room for the
                // memfd.
                const bool is_local = SourceOf(status) == ErrorSource::kLocal;
                const bool no_room = is_local && absl::IsResourceExhausted(status);
                return no_room ? absl::InternalError(status.message()) : status;
              });
}

om_code om_delete(om_client* client, const char* uri, om_error* error) {
  return Call(client, uri, true, error, [&](Client& connected) { return connected.Delete(uri); });
}

om_code om_delete_if(om_client* client, const char* uri, const char* if_match, om_error* error) {
  return Call(client, uri, if_match != nullptr, error, [&](Client& connected) -> absl::Status {
    if (absl::Status etag = CheckEtag(if_match); !etag.ok()) return etag;
    return connected.Delete(uri, if_match);
  });
}

om_code om_list(om_client* client, const char* prefix, om_list_callback callback, void* context,
                om_error* error) {
  return List(client, prefix, /*through=*/false, callback, context, error);
}

om_code om_list_through(om_client* client, const char* prefix, om_list_callback callback,
                        void* context, om_error* error) {
  return List(client, prefix, /*through=*/true, callback, context, error);
}

}  // extern "C"

}  // namespace objmapper::client
