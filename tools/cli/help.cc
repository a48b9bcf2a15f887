// The texts of `objmapper help`, one for each command.
#include "tools/cli/help.h"

namespace objmapper::tools {
namespace {

constexpr absl::string_view kOverview =
    R"(objmapper asks an objmapper server on this machine for objects, and stores them.

  objmapper get URI... [-o FILE|FOLDER|-]   fetch objects
  objmapper put FILE... [URI]               store files, folders (-r) or standard input (-)
  objmapper ls [PREFIX]                     which objects there are
  objmapper rm URI...                       remove objects, or all below a name (-r)
  objmapper cp [-r] FROM TO                 between files and objects (obj:URI), both ways
  objmapper stat URI...                     size, time and etag, without the bytes
  objmapper ping [-n COUNT]                 measure round trips
  objmapper stats                           the server's figures since its start
  objmapper top                             the same, live, in a terminal
  objmapper help [COMMAND]                  this text, or a command's
  objmapper version

For instance:
  objmapper get models/a.bin -o a.bin
  objmapper get logs/today --range=0-1023
  objmapper put a.bin models/a.bin
  objmapper cp -r obj:models/ ./models
  objmapper ls -l models/
  objmapper stat models/a.bin --json
  objmapper ping --server=tcp://127.0.0.1:7070

Every command but stats and top takes:
  --server=URL    unix:/path, or a path alone that begins with /, ./ or ../; unix:@name (abstract),
                  tcp://host:port, or for get and stat udp://host:port. Default: the environment's
                  $OBJMAPPER_SERVER; else /run/objmapper/objmapper.sock, where systemd's unit
                  listens, when it is there and you may use it; else
                  $XDG_RUNTIME_DIR/objmapper.sock (or /tmp/... when that is not set), where the
                  server listens unless told otherwise.
  --server_user=USER  whose the server may be on a Unix socket: a name, a uid, or any. Default:
                  $OBJMAPPER_SERVER_USER, else any where --server or $OBJMAPPER_SERVER says where
                  it is, and where nothing does, your own or root's alone (in /run/objmapper also
                  its owner's): in /tmp anybody may listen.
  --timeout=TIME  how long to wait for a connection, and for each next sign of life: 500ms, 30s,
                  2m, or a number of seconds. A large object may take longer in all. Default: 30s.
  --retry         ask again what the server is too busy for (UNAVAILABLE), after the time that it
                  asks for and as long as --timeout. The default, but for ping; --noretry takes
                  the first answer.
  --json          results as one JSON object a line, on standard output. Errors are there too,
                  with "ok":false. Bytes that are not UTF-8 read U+FFFD; then a member with "_hex"
                  behind its name holds them all.
Flags have one dash or two, and stand anywhere behind the command; those of one letter may be
joined (-rv, -ofile). Behind -- nothing is a flag: objmapper get -- -a-uri-with-a-dash

Exit codes:
  0  all is well
  1  the server said no: not found, denied, read-only, a range past the end, ...
  2  the command line makes no sense
  3  no server there, or it took no new connection
  4  the connection broke, or nothing came for --timeout
  5  an error of this side: a file that cannot be read or written, no descriptors left
With several objects the first error decides, and the others are still tried: by put, rm and cp as
long as the server can be reached, by get and stat unless the connection is lost.
)";

constexpr absl::string_view kGet = R"(objmapper get URI... [flags] fetches objects.

  -o FILE      Write the object to FILE. It appears whole or not at all: the bytes go to a
               temporary file in the same folder first. Symbolic links are followed. What FILE
               was lends its permissions, owner, access list and user attributes; other hard
               links of it keep the old content. Where FILE cannot be replaced, but written to
               (the folder takes no new file, it is a mount of its own), its content is, once
               all is there. A device, a FIFO, /dev/stdout or /dev/fd/N is written to as it is.
  -o FOLDER    Write each object into an existing folder, under the last part of its URI, unless a
               symbolic link or something else that is no regular file has that name there.
  -o -         Write the objects to standard output, one behind the other. The default; but
               without it what is no text (UTF-8) does not go to a terminal.
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
                 -5      the last 5 bytes, or all of a shorter object
                 1M:64K  64 KiB from byte 1048576 (K, M, G, T are units of 1024)
  -v           A line for each file that is written.
  --server=URL, --timeout=TIME, --json: see objmapper help. --json needs -o with a file or folder.

A progress bar with rate and time left is shown on a terminal when it takes a moment.
)";

constexpr absl::string_view kPut =
    R"(objmapper put FILE [flags]             stores FILE under its own name.
objmapper put FILE URI [flags]         stores FILE as the object URI.
objmapper put FILE... PREFIX/ [flags]  stores each FILE as PREFIX/ and its own name.
objmapper put -r FOLDER [PREFIX]       stores all files in FOLDER, however deep, as PREFIX/ and their
                                       names below FOLDER. PREFIX is FOLDER's own name by default.
objmapper put - URI                    stores what comes on standard input, or from a FIFO in place of -.

The server must be --writable. An object appears whole or not at all, and replaces what had its name.
A PUT says first how long it is, so standard input, a FIFO, and a file that is longer than it says
(as those of /proc) are read to the end before anything is sent, into a nameless file in $TMPDIR (or /tmp).
With -r a symbolic link counts as the file that it leads to; one to a folder, and whatever is neither
file nor folder, is an error. Empty folders are not stored: there are only objects.

  -r           Folders too, with all that is in them.
  --ttl=TIME   The objects are gone after that time: 90s, 10m, 24h, or seconds. Default: they stay.
  --fd         Send each file's descriptor instead of its bytes; the server copies from it, by reflink
               where it can. Unix sockets only.
  --jobs=N     At most N files are on their way at a time, each on a connection of its own. Default: 4.
  -v           A line for each object that is stored.
  --server=URL, --timeout=TIME, --retry, --json: see objmapper help.

A progress bar for all files together is shown on a terminal when it takes a moment.
)";

constexpr absl::string_view kRm = R"(objmapper rm URI... [flags]     removes objects.
objmapper rm -r URI... [flags]  removes all objects below URI: those whose names begin with URI and
                                a / (which is added unless it is there). It asks nothing.

The server must be --writable. Descriptors and mappings of a removed object stay good.

  -r           All below a name. An error when there is nothing.
  --dry_run    Only say what would be removed.
  --jobs=N     With -r: at most N at a time, each on a connection of its own. Default: 4.
  -v           A line for each object that is removed.
  --server=URL, --timeout=TIME, --retry, --json: see objmapper help.
)";

constexpr absl::string_view kLs =
    R"(objmapper ls [PREFIX] [flags] lists the objects whose URIs begin with PREFIX, sorted.

There are no folders, only names: all are shown, however many / are in them. PREFIX may end anywhere,
even in the middle of a name. None is no error.

  -l           Size and time of each.
  -d           One level: all objects whose names have one more / behind PREFIX are one line, which
               ends with it; with -l the sum of their sizes and the latest time. The server lists
               them all nevertheless, so it is no faster.
  --server=URL, --timeout=TIME, --retry: see objmapper help.
  --json       One JSON object a line. Otherwise what a terminal obeys, or nobody sees, is shown as \x0a.
)";

constexpr absl::string_view kCp =
    R"(objmapper cp FILE obj:URI [flags]         stores FILE as URI, or below one that ends with a /.
objmapper cp obj:URI FILE|FOLDER [flags]  fetches URI, as get -o does.
objmapper cp -r FOLDER obj:PREFIX         stores all files in FOLDER, as put -r does.
objmapper cp -r obj:PREFIX FOLDER         fetches all objects below PREFIX into FOLDER, which is made if
                                          need be. PREFIX gets a / at its end; "obj:" alone is all objects.

What begins with obj: is on the server; a file of such a name is written ./obj:... Doing it again
does all of it again, with the same result: nothing is skipped, and nothing is removed. When fetching, an
object whose name would lead out of FOLDER (such as a/../../b), through a symbolic link in it, or to
something there that is no regular file, is refused.

  -r           All that is below.
  --mode=MODE  How objects come: fdpass, copy or splice, as with get.
  --ttl=TIME, --fd: as with put.
  --jobs=N     At most N objects are on their way at a time, each on a connection of its own. Default: 4.
  -v           A line for each object that has arrived.
  --server=URL, --timeout=TIME, --retry, --json: see objmapper help.

What fails is listed, the rest is still done, and the exit code is that of the first error.
)";

constexpr absl::string_view kStat =
    R"(objmapper stat URI... [flags] tells an object's size, time, etag and tier.

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

  --admin=URL  where the server's --admin_listen is: unix:/path, a path alone, unix:@name or
               tcp://host:port.
               Default: the environment's $OBJMAPPER_ADMIN, else /run/objmapper/admin, where that
               of systemd's unit is.
  -n COUNT     top: how many pictures. Default: until it is interrupted.
  --json       stats: one JSON object, with the totals and the last second.
  --timeout=TIME: see objmapper help.
)";

}  // namespace

absl::string_view HelpText(absl::string_view topic) {
  if (topic == "get") return kGet;
  if (topic == "put") return kPut;
  if (topic == "rm") return kRm;
  if (topic == "ls") return kLs;
  if (topic == "cp") return kCp;
  if (topic == "stat") return kStat;
  if (topic == "ping") return kPing;
  if (topic == "stats" || topic == "top") return kStats;
  return kOverview;
}

}  // namespace objmapper::tools
