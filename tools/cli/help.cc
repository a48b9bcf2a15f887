#include "tools/cli/help.h"

namespace objmapper::tools {
namespace {

constexpr absl::string_view kOverview =
    R"(objmapper asks an objmapper server on this machine for objects.

  objmapper get URI... [-o FILE|FOLDER|-]   fetch objects
  objmapper stat URI...                     size, time and etag, without the bytes
  objmapper ping [-n COUNT]                 measure round trips
  objmapper stats                           the server's figures since its start
  objmapper top                             the same, live, in a terminal
  objmapper help [COMMAND]                  this text, or a command's
  objmapper version

For instance:
  objmapper get models/a.bin -o a.bin
  objmapper get logs/today --range=0-1023
  objmapper stat models/a.bin --json
  objmapper ping --server=tcp://127.0.0.1:7070

Every command but stats and top takes:
  --server=URL    unix:/path, unix:@name (abstract), tcp://host:port, or for get and stat
                  udp://host:port. Default: the environment's
                  $OBJMAPPER_SERVER, else unix:$XDG_RUNTIME_DIR/objmapper.sock (or /tmp/... when
                  that is not set), where the server listens unless told otherwise.
  --timeout=TIME  how long to wait for a connection, and for each next sign of life: 500ms, 30s,
                  2m. A large object may take longer in all. Default: 30s.
  --retry         ask again what the server is too busy for (UNAVAILABLE), after the time that it asks for and as long as
                  --timeout. The default of get and stat; --noretry takes the first answer.
  --json          results as one JSON object a line, on standard output. Errors are there too,
                  with "ok":false. Bytes that are not UTF-8 read U+FFFD; then a member with "_hex"
                  behind its name holds them all.

Exit codes:
  0  all is well
  1  the server said no: not found, denied, a range past the end, ...
  2  the command line makes no sense
  3  no server there, or it took no new connection
  4  the connection broke, or nothing came for --timeout
  5  an error of this side: a file that cannot be written, no descriptors left
With several URIs the first error decides, and the others are still tried, unless the connection
is lost.
)";

constexpr absl::string_view kGet = R"(objmapper get URI... [flags] fetches objects.

  -o FILE      Write the object to FILE. It appears whole or not at all: the bytes go to a
               temporary file in the same folder first. A device or FIFO is written to as it is.
  -o FOLDER    Write each object into an existing folder, under the last part of its URI.
  -o -         Write the objects to standard output, one behind the other. The default.
  --mode=MODE  How the object comes:
                 fdpass  as an open file, then copied from it here: by reflink where the file
                         system can share blocks, else inside the kernel. Unix sockets only, and
                         the default there.
                 copy    as bytes through the connection. The default on tcp://, and all there
                         is on udp://, where an object is held in memory until it is whole.
                 splice  as bytes which the server moves inside its kernel.
  --range=PART Only a part:
                 0-99    bytes 0 to 99, both included, as in HTTP
                 4096-   from byte 4096 to the end
                 1M:64K  64 KiB from byte 1048576 (K, M, G, T are units of 1024)
  --server=URL, --timeout=TIME, --json: see objmapper help. --json needs -o with a file or folder.

A progress bar with rate and time left is shown on a terminal when it takes a moment.
)";

constexpr absl::string_view kStat =
    R"(objmapper stat URI... [flags] tells an object's size, time, etag, type and tier.

  --server=URL, --timeout=TIME, --json: see objmapper help.
)";

constexpr absl::string_view kPing =
    R"(objmapper ping [flags] measures round trips: a request that the server answers at once.

  -n COUNT     How many, one after the other. Default: 5.
  --server=URL, --timeout=TIME, --json: see objmapper help.
)";

constexpr absl::string_view kStats =
    R"(objmapper stats [flags] shows a server's figures since its start.
objmapper top [flags] shows those of the last second, again each second.

  --admin=URL  where the server's --admin_listen is: unix:/path, unix:@name or tcp://host:port.
               Default: the environment's $OBJMAPPER_ADMIN.
  -n COUNT     top: how many pictures. Default: until it is interrupted.
  --json       stats: one JSON object, with the totals and the last second.
  --timeout=TIME: see objmapper help.
)";

}  // namespace

absl::string_view HelpText(absl::string_view topic) {
  if (topic == "get") return kGet;
  if (topic == "stat") return kStat;
  if (topic == "ping") return kPing;
  if (topic == "stats" || topic == "top") return kStats;
  return kOverview;
}

}  // namespace objmapper::tools
