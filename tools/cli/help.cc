// The texts of `objmapper help`, one for each command.
#include "tools/cli/commands.h"

namespace objmapper::tools {
namespace {

constexpr absl::string_view kOverview =
    R"(objmapper asks an objmapper server on this machine for objects, and stores them.

  objmapper get URI... [-o FILE|FOLDER|-]   fetch objects
  objmapper put FILE... [URI]               store files, folders (-r) or standard input (-)
  objmapper ls [PREFIX]                     list objects
  objmapper rm URI...                       remove objects, or everything below a name (-r)
  objmapper cp [-r] FROM TO                 copy between files and objects (obj:URI)
  objmapper stat URI...                     size, time and etag, without the bytes
  objmapper warm URI...                     have objects fetched before they are needed
  objmapper pin URI... | unpin URI...       keep fetched objects from eviction, or no longer
  objmapper evict URI...                    drop what was fetched of objects
  objmapper origins                         where objects are fetched from, and what came of it
  objmapper ping [-n COUNT]                 measure round trips
  objmapper stats                           the server's figures since its start
  objmapper top                             the same, live, in a terminal
  objmapper help [COMMAND]                  this text, or a command's
  objmapper version

Examples:
  objmapper get models/a.bin -o a.bin
  objmapper get logs/today --range=0-1023
  objmapper put a.bin models/a.bin
  objmapper cp -r obj:models/ ./models
  objmapper ls -l models/
  objmapper stat models/a.bin --json
  objmapper warm --list=uris.txt --jobs=8
  objmapper ping --server=tcp://127.0.0.1:7070

Every command except stats, top, pin, unpin, evict and origins takes:
  --server=URL    unix:/path, or just a path that begins with /, ./ or ../; unix:@name (abstract),
                  tcp://host:port, or for get and stat udp://host:port. Default:
                  $OBJMAPPER_SERVER; else /run/objmapper/objmapper.sock, where the systemd unit
                  listens, if it exists and you may use it; else $XDG_RUNTIME_DIR/objmapper.sock
                  (or /tmp/objmapper.sock if that is not set), where a server listens by default.
  --server_user=USER  the user that the server on a Unix socket must have: a name, a uid, or any.
                  Default: $OBJMAPPER_SERVER_USER; else any if --server or $OBJMAPPER_SERVER gives
                  the address; else only you or root (in /run/objmapper also its owner), since in
                  /tmp every user may listen.
  --token_file=FILE  a file with the token that says who you are, for a server with --tokens_file.
                  Default: the token in $OBJMAPPER_TOKEN, if that is set. A token is no argument:
                  every user of the machine can see those. It is sent unencrypted; a server that
                  takes no tokens does not get it, and the command fails.
  --timeout=TIME  maximum wait for a connection, and for each further answer or piece of a body:
                  500ms, 30s, 2m, or a number of seconds. A large object may take longer in total.
                  Default: 30s.
  --retry         retry requests that the server is too busy for (UNAVAILABLE), after the time
                  that it gives and for at most --timeout. The default, except for ping; --noretry
                  uses the first answer.
  --json          print results as one JSON object per line, on standard output; errors too, with
                  "ok":false. Bytes that are not UTF-8 are shown as U+FFFD, and a further member
                  whose name ends with "_hex" contains all bytes.
Flags have one dash or two, and may be anywhere after the command; those of one letter may be
joined (-rv, -ofile), and - is as good as _ in a name. After -- nothing is a flag:
objmapper get -- -a-uri-with-a-dash

Exit codes:
  0  success
  1  the server answered with an error: not found, denied, read-only, a range past the end, ...
  2  the command line is not valid
  3  no server there, or it accepted no new connection
  4  the connection broke, or nothing arrived for --timeout
  5  a local error: a file that cannot be read or written, no descriptors left
With several objects the first error decides, and the others are still tried: by put, rm, cp and
warm as long as the server can be reached, by get and stat unless the connection is lost.
)";

constexpr absl::string_view kGet = R"(objmapper get URI... [flags] fetches objects.

  -o FILE      Write the object to FILE. It appears completely or not at all: the bytes are first
               written to a temporary file in the same folder. Symbolic links are followed. The
               new file gets the old one's permissions, owner, access list and user attributes;
               other hard links of the old one keep its content. If FILE cannot be replaced but can
               be written to (the folder takes no new file, or it is a mount of its own), its
               content is overwritten when all bytes have arrived. A device, a FIFO, /dev/stdout or
               /dev/fd/N is written to directly.
  -o FOLDER    Write each object into an existing folder, under the last part of its URI, unless a
               symbolic link or something else that is not a regular file has that name there.
  -o -         Write the objects to standard output, one after the other. The default; but without
               this flag only text (UTF-8) is written to a terminal.
  --mode=MODE  How the object arrives:
                 fdpass  as an open file, which is then copied locally: by reflink if the file
                         system can share blocks, else inside the kernel. Unix sockets only, and
                         the default there.
                 copy    as bytes through the connection. The default on tcp://, and the only mode
                         on udp://, where an object is kept in memory until it is complete.
                 splice  as bytes which the server moves inside its kernel.
  --range=PART Only a part:
                 0-99    bytes 0 to 99, both included, as in HTTP
                 4096-   from byte 4096 to the end
                 -5      the last 5 bytes, or all of a shorter object
                 1M:64K  64 KiB from byte 1048576 (K, M, G, T are units of 1024)
  --if_none_match=ETAG
               Only if the one object is not this version (NOT_MODIFIED, and exit code 1). An ETAG is
               what stat prints.
  -v           Print a line for each written file.
  --server=URL, --token_file=FILE, --timeout=TIME, --json: see objmapper help. --json needs -o with
  a file or folder.

On a terminal a progress bar with rate and remaining time is shown if it takes a moment.
)";

constexpr absl::string_view kPut =
    R"(objmapper put FILE [flags]             stores FILE under its own name.
objmapper put FILE URI [flags]         stores FILE as the object URI.
objmapper put FILE... PREFIX/ [flags]  stores each FILE as PREFIX/ and its own name.
objmapper put -r FOLDER [PREFIX]       stores all files in FOLDER, however deep, as PREFIX/ and
                                       their names below FOLDER. Default: FOLDER's own name.
objmapper put - URI                    stores standard input (or a FIFO given in place of -).

The server must be --writable. An object appears completely or not at all, and replaces an object
of the same name. A PUT begins with its length, so standard input, a FIFO, and a file with more
bytes than its size (as in /proc) are first read to the end, into a temporary file in $TMPDIR (or
/tmp).
With -r a symbolic link counts as the file that it leads to; one to a folder, and anything that is
neither file nor folder, is an error. Empty folders are not stored: there are only objects.

  -r           Folders too, with everything in them.
  --ttl=TIME   The objects expire after that time: 90s, 10m, 24h, or seconds. Default: never.
  --fd         Send each file's descriptor instead of its bytes; the server copies from it, by
               reflink if it can. Unix sockets only.
  --if_absent  Store only what is not there yet: of any number that try, one succeeds, the others
               get PRECONDITION_FAILED and exit code 1.
  --if_match=ETAG
               Replace the one object only if it is this version (else the same). An ETAG is what
               stat prints.
  --jobs=N     Send at most N files at a time, each on a connection of its own. Default: 4.
  -v           Print a line for each stored object.
  --server=URL, --token_file=FILE, --timeout=TIME, --retry, --json: see objmapper help.

On a terminal a progress bar for all files together is shown if it takes a moment.
)";

constexpr absl::string_view kRm = R"(objmapper rm URI... [flags]     removes objects.
objmapper rm -r URI... [flags]  removes all objects below URI: those whose names begin with URI and
                                a / (which is added if missing), without confirmation.

The server must be --writable. Descriptors and mappings of a removed object stay valid.

  -r           Everything below a name. An error if there is nothing.
  --dry_run    Only print what would be removed.
  --if_match=ETAG
               Remove the one object only if it is this version, else PRECONDITION_FAILED and exit
               code 1.
  --jobs=N     With -r: at most N at a time, each on a connection of its own. Default: 4.
  -v           Print a line for each removed object.
  --server=URL, --token_file=FILE, --timeout=TIME, --retry, --json: see objmapper help.
)";

constexpr absl::string_view kLs =
    R"(objmapper ls [PREFIX] [flags] lists the objects whose URIs begin with PREFIX, sorted.

There are no folders, only names: all are listed, whatever / they contain. PREFIX may end anywhere,
even in the middle of a name. An empty list is not an error.

  --origin     List what the origins have, too, whether or not it is on the server's disk. Of what
               came from them size and time are the origin's, and what they have no more is left
               out. S3 alone can be listed.
  -l           Size and time of each.
  -d           One level: all objects whose names share the part up to the next / after PREFIX are
               one line, which ends with that /; with -l the sum of their sizes and the latest
               time. The server lists all of them nevertheless, so it is not faster.
  --server=URL, --token_file=FILE, --timeout=TIME, --retry: see objmapper help.
  --json       One JSON object per line. Without it control and invisible characters are shown as
               \x0a.
)";

constexpr absl::string_view kCp =
    R"(objmapper cp FILE obj:URI [flags]         stores FILE as URI, or below one that ends with /.
objmapper cp obj:URI FILE|FOLDER [flags]  fetches URI, as get -o does.
objmapper cp -r FOLDER obj:PREFIX         stores all files in FOLDER, as put -r does.
objmapper cp -r obj:PREFIX FOLDER         fetches all objects below PREFIX into FOLDER, which is
                                          created if necessary. PREFIX gets a / at its end;
                                          "obj:" means all.

Names that begin with obj: are on the server; write a local file of such a name as ./obj:...

With -r, what is the same on both sides is skipped, and a line at the end says how many were;
nothing is ever removed. The same means: equally long, and the file's XXH3 hash is the object's
ETAG, so all bytes of the file are read and compared. Times are not looked at. What cannot be
compared so is copied: objects whose ETAG does not begin with xxh3-, since they are in memory or
were not stored by PUT, and objects that the rules do not let you stat; when storing, also objects
that expire, and with --ttl all. The hash is no guard against a writer who makes another content
with the same one on purpose: --force.

When fetching, an object whose name would lead out of FOLDER (such as a/../../b), through a symbolic
link in it, or to something there that is not a regular file, is refused.

  -r           Everything below.
  --force      With -r: copy what is the same, too.
  --mode=MODE  How objects arrive: fdpass, copy or splice, as with get.
  --ttl=TIME, --fd: as with put.
  --jobs=N     Transfer at most N objects at a time, each on a connection of its own. Default: 4.
  -v           Print a line for each transferred object.
  --server=URL, --token_file=FILE, --timeout=TIME, --retry, --json: see objmapper help.

Failures are listed, the rest is still done, and the exit code is that of the first error.
)";

constexpr absl::string_view kStat =
    R"(objmapper stat URI... [flags] prints an object's size, time, ETAG, media type and tier, when
it expires, and whether it is stale: its origin cannot be asked whether it has changed.

Of an object that was fetched from an origin it also prints where it came from, its version there,
when it was fetched and checked, and whether it is pinned. That is asked at the operators' address,
if it is known; only if --admin gives it, an error there is one of the command.

  --here       Print only what is on the server's disk, and how much of an object that has been
               fetched in part. Nothing is fetched for that: only the operators' address is asked,
               and an object that is not there is an error.
  --admin=URL  see objmapper help stats.
  --server=URL, --token_file=FILE, --timeout=TIME, --json: see objmapper help.
)";

constexpr absl::string_view kWarm =
    R"(objmapper warm URI... [flags]  has objects fetched from their origin, so that they are there
                                when somebody needs them.
objmapper warm --list=FILE      the same of the URIs in FILE, one on each line; - is standard input.
objmapper warm --prefix=PREFIX  the same of all objects whose URIs begin with PREFIX, as objmapper
                                ls --origin lists them. Where the origin cannot be listed, only
                                those that are on the server's disk already are checked.

Over a Unix socket each object is asked for as an open file, which is closed at once: nothing is
copied. Over tcp:// there are only copies: all bytes of all objects come through the connection and
are dropped.

  --jobs=N     Ask for at most N objects at a time, each on a connection of its own. Default: 4.
  --timeout=TIME  maximum wait for an object, which comes when all of it is there. Default: 1h, and
               30s for a connection and for retries (see objmapper help).
  -v           Print a line for each object.
  --server=URL, --token_file=FILE, --retry, --json: see objmapper help.

On a terminal objects, bytes, rate and remaining time are shown if it takes a moment (with --prefix,
of what has been listed so far); a line at the end says how much it was. Failures are listed, and
the rest is still done. When it is interrupted (Ctrl-C), the server completes what it is fetching.
)";

constexpr absl::string_view kPin =
    R"(objmapper pin URI... [flags] keeps objects from being evicted when the disk is full, also over
restarts and when they are replaced by newer versions.
objmapper unpin URI... [flags] ends that.

An object has to be on the server's disk already, at least in part: see objmapper help warm.

  -v           Print a line for each object.
  --admin=URL, --timeout=TIME: see objmapper help stats; --json: see objmapper help.
)";

constexpr absl::string_view kEvict =
    R"(objmapper evict URI... [flags] removes from the server's disk what was fetched of objects.
Their origin keeps them, and they are fetched again when somebody asks for them. Descriptors and
mappings of them stay valid.

Only what was fetched is removed: an object that did not come from an origin is an error, as are one
that is pinned and one that is being fetched.

  --force      Pinned ones, too.
  -v           Print a line for each object, with the bytes that became free.
  --admin=URL, --timeout=TIME: see objmapper help stats; --json: see objmapper help.
)";

constexpr absl::string_view kOrigins =
    R"(objmapper origins [flags] prints a line for each origin of the server: whether the last fetch
went well; requests that did not wait for it, and requests that did; objects fetched, objects that
the origin does not have, failed fetches, bytes; and the origin as --origins_file has it. Below it:
why requests to it were sent again, which keys are used, and the last trouble.

  --json       One JSON object per line for each origin.
  --admin=URL, --timeout=TIME: see objmapper help stats.
)";

constexpr absl::string_view kPing =
    R"(objmapper ping [flags] measures round trips: a request that the server answers at once.

  -n COUNT     Number of round trips, one after the other. Default: 5.
  --server=URL, --token_file=FILE, --timeout=TIME, --json: see objmapper help.
)";

constexpr absl::string_view kStats =
    R"(objmapper stats [flags] shows a server's figures since its start.
objmapper top [flags] shows those of the last second, again each second.

  --admin=URL  the address of the server's --admin_listen: unix:/path, just a path, unix:@name or
               tcp://host:port. Default: $OBJMAPPER_ADMIN, else /run/objmapper/admin, that of the
               systemd unit.
  -n COUNT     top: number of updates. Default: until it is interrupted.
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
  if (topic == "warm") return kWarm;
  if (topic == "pin" || topic == "unpin") return kPin;
  if (topic == "evict") return kEvict;
  if (topic == "origins") return kOrigins;
  if (topic == "stats" || topic == "top") return kStats;
  return kOverview;
}

}  // namespace objmapper::tools
