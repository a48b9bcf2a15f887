// Whether an object and a file are the same already, so that cp -r need not copy it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/client.h"

namespace objmapper::tools {

// True where it is certain that the object `uri` has the bytes of `file`: it is as long, and its
// ETAG is the hash of its content (docs/protocol.md, "Metadata"), which is that of the file's, too.
// Times tell nothing: they may be alike by chance, or by somebody's doing. Where the ETAG is no
// hash, the object cannot be asked about or is not there, it is false: copying is never wrong.
//
// file: a regular file open for reading, borrowed; read with pread(2), and only if the rest fits.
// for_ever: false too where the object expires, or where it is not known whether it does.
//
// Errors: those after which there is no point in copying, or not now: of the connection;
// UNAVAILABLE of the server; of reading the file, whose message names it by `path`.
absl::StatusOr<bool> IsSame(client::Client& client, const std::string& uri, int file,
                            absl::string_view path, bool for_ever);

// The ETAG of what a server stores with this content.
absl::StatusOr<std::string> ContentEtag(int file, absl::string_view path);

}  // namespace objmapper::tools
