// The calls that store, remove and list.

#include <errno.h>
#include <fcntl.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/c/handle.h"
#include "client/c/outcome.h"
#include "client/client.h"
#include "client/error.h"
#include "client/list.h"
#include "client/object.h"
#include "client/objmapper.h"
#include "net/errno_status.h"

namespace {

using objmapper::client::AsCode;
using objmapper::client::Call;
using objmapper::client::Client;
using objmapper::client::Describe;
using objmapper::client::ErrorSource;
using objmapper::client::ListEntry;
using objmapper::client::ObjectInfo;
using objmapper::client::PutOptions;
using objmapper::client::SourceOf;

PutOptions LivingFor(uint32_t ttl_s) {
  PutOptions options;
  if (ttl_s != 0) options.ttl = absl::Seconds(ttl_s);
  return options;
}

absl::Status Stored(const absl::StatusOr<ObjectInfo>& told, om_info* info) {
  if (told.ok()) Describe(*told, info);
  return told.status();
}

}  // namespace

extern "C" {

om_code om_put(om_client* client, const char* uri, const void* data, size_t size, uint32_t ttl_s,
               om_info* info, om_error* error) {
  return Call(client, uri, data != nullptr || size == 0, error, [&](Client& connected) {
    const absl::string_view bytes(static_cast<const char*>(data), size);
    return Stored(connected.Put(uri, bytes, LivingFor(ttl_s)), info);
  });
}

om_code om_put_fd(om_client* client, const char* uri, int fd, uint32_t ttl_s, om_info* info,
                  om_error* error) {
  return Call(client, uri, true, error, [&](Client& connected) -> absl::Status {
    // Or sendmsg(2) would find it out, in the middle of a request.
    if (fcntl(fd, F_GETFD) < 0) {
      return AsCode(OM_INVALID,
                    objmapper::net::ErrnoToStatus(errno, absl::StrCat("descriptor ", fd)));
    }
    return Stored(connected.PutFd(uri, fd, LivingFor(ttl_s)), info);
  });
}

om_code om_put_memory(om_client* client, const char* uri, const void* data, size_t size,
                      uint32_t ttl_s, om_info* info, om_error* error) {
  return Call(
      client, uri, data != nullptr || size == 0, error, [&](Client& connected) -> absl::Status {
        const absl::string_view bytes(static_cast<const char*>(data), size);
        const absl::Status status = Stored(connected.PutMemory(uri, bytes, LivingFor(ttl_s)), info);
        // No descriptor is received here that could be lost: there is no room for the memfd.
        const bool is_local = SourceOf(status) == ErrorSource::kLocal;
        return is_local && absl::IsResourceExhausted(status) ? AsCode(OM_LOCAL, status) : status;
      });
}

om_code om_delete(om_client* client, const char* uri, om_error* error) {
  return Call(client, uri, true, error, [&](Client& connected) { return connected.Delete(uri); });
}

om_code om_list(om_client* client, const char* prefix, om_list_callback callback, void* context,
                om_error* error) {
  return Call(client, prefix, callback != nullptr, error, [&](Client& connected) {
    return connected.ListAll(prefix, [&](ListEntry entry) {
      return callback(context, entry.uri.c_str(), entry.size,
                      static_cast<uint64_t>(entry.mtime_s)) == 0;
    });
  });
}

}  // extern "C"
