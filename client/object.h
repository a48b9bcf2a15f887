// What a client gets: an object's description, the object as a descriptor, and lists.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/unique_fd.h"

namespace objmapper::client {

// A part of an object.
struct Range {
  uint64_t offset = 0;
  uint64_t length = 0;  // 0 means "to the end"
};

// What the server said about an object.
struct ObjectInfo {
  uint64_t size = 0;  // bytes of the whole object
  // The part that was granted: the range asked for, cut at the object's end; without a range 0 and
  // `size`.
  uint64_t offset = 0;
  uint64_t length = 0;
  // From here on: what the server told. That of a read it tells with the VERSIONS capability alone,
  // and then of the very version that was sent; expires_s only where the object expires. Without
  // VERSIONS no object is said to be stale.
  std::optional<int64_t> mtime_s;   // seconds since the epoch; before it, below 0
  std::optional<std::string> etag;  // changes whenever the content does
  std::optional<std::string> mime;
  std::optional<uint8_t> backend;      // the storage tier that has it: 1 disk, 2 memory
  std::optional<uint32_t> latency_us;  // spent inside the server
  std::optional<uint32_t> ttl_s;       // seconds until the object is gone
  std::optional<int64_t> expires_s;    // seconds since the epoch: when it is gone
  // It may be outdated: it comes from an origin, which the server should ask again and cannot.
  bool stale = false;
};

// An object as an open file.
//
// The descriptor is read-only, close-on-exec and always names the whole object: the granted part
// is at info.offset. Read it with pread(2) or mmap(2): a server may share one file offset among
// its clients.
struct FdObject {
  net::UniqueFd fd;
  ObjectInfo info;
};

// What Client::List() returns.
struct ListEntry {
  std::string uri;
  uint64_t size = 0;    // bytes
  int64_t mtime_s = 0;  // seconds since the epoch; before it, below 0
};

struct ListPage {
  std::vector<ListEntry> entries;  // sorted by URI, as bytes
  std::string cursor;              // for the next page; empty: there is no more
};

}  // namespace objmapper::client
