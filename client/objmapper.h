/* The C client of objmapper, the node-local object server: objects as open files, or as bytes.
 *
 *   om_client* client;
 *   om_error error;
 *   if (om_connect("unix:/run/objmapper.sock", NULL, &client, &error) != OM_OK) {
 *     fprintf(stderr, "%s\n", error.message);
 *     return 1;
 *   }
 *   int fd;
 *   om_info info;
 *   if (om_get_fd(client, "models/a.bin", NULL, &fd, &info, &error) == OM_OK) {
 *     ... pread(fd, ...) or mmap(fd, ...): info.size bytes ...
 *     close(fd);
 *   }
 *   om_close(client);
 *
 * C99, and C++. Linux. Link with: pkg-config --cflags --libs objmapper. docs/clients.md is the
 * guide.
 *
 * Errors. Every call that can fail returns an om_code, OM_OK being 0, and fills in `error` when
 * that is not NULL: also with OM_OK, so that it never holds an older call's. After OM_CONNECTION,
 * OM_TIMEOUT and OM_PROTOCOL the connection is over, and nobody knows whether the call was carried
 * out: om_close() the client and om_connect() again. So it is when a call gives up in the middle of
 * an answer (OM_TOO_LARGE by bytes_max, OM_NO_MEMORY); the next one is OM_CONNECTION. After any
 * other code the client goes on. Where a call fails, its results are not touched, but for buffers.
 *
 * Bad input (a null pointer where none may be, an empty URI) is OM_INVALID. Nothing here throws,
 * exits, prints, or raises SIGPIPE. It ends the process only when it finds that somebody else has
 * closed a descriptor it owns.
 *
 * Threads. A client is one thread's at a time: use one for each thread, or a lock of your own.
 * Different clients have nothing to do with each other.
 *
 * fork(2). A child must not use its parent's client: its calls fail with OM_INVALID. om_close() it
 * there, which does not disturb the parent, and om_connect() anew. Descriptors of objects may be
 * used by both.
 *
 * RLIMIT_NOFILE. Each object's descriptor counts. When a process is at its limit, the kernel drops
 * what it receives: OM_DESCRIPTORS_LOST. Nothing else is wrong then: close some, have fewer open at
 * a time, or raise the limit (setrlimit(2) up to the hard limit, ulimit -n in a shell, LimitNOFILE=
 * in a systemd unit), and ask again.
 *
 * URIs and prefixes end with a NUL, are otherwise any bytes, and have at most 4096 of them.
 */
#ifndef OBJMAPPER_OBJMAPPER_H_
#define OBJMAPPER_OBJMAPPER_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OM_VERSION "1.0.0"

/* The version of the library in use, in the form of OM_VERSION. Static. */
const char* om_version(void);

/* ---- Errors ---- */

typedef enum om_code {
  OM_OK = 0,
  OM_NOT_FOUND = 1,         /* there is no such object */
  OM_INVALID = 2,           /* an argument is wrong, by this library's word or the server's */
  OM_UNSUPPORTED = 3,       /* not offered here: a read-only server, a descriptor over TCP */
  OM_PERMISSION_DENIED = 4, /* the server's rules, or the file's permissions, do not allow it */
  OM_RANGE = 5,             /* the offset is past the object's end */
  OM_TOO_LARGE = 6,         /* more than the server stores, or more than om_options.bytes_max */
  OM_CONFLICT = 7,          /* the name is a directory, or a part of its path is an object */
  OM_UNAVAILABLE = 8, /* not now; nothing has changed. Ask again after om_error.retry_after_ms */
  OM_SERVER = 9,      /* the server, or its disk, failed */
  OM_TIMEOUT = 10,    /* the server was silent for om_options.request_timeout_ms */
  OM_CONNECTION = 11, /* no connection, or it ended before the answer did */
  OM_PROTOCOL = 12,   /* one side did not understand the other */
  OM_DESCRIPTORS_LOST = 13,    /* RLIMIT_NOFILE is reached; see above */
  OM_NO_MEMORY = 14,           /* of this process, or of the server */
  OM_LOCAL = 15,               /* another failure of this side; the message has it */
  OM_PRECONDITION_FAILED = 16, /* the object is another version than was named, or is there */
  OM_NOT_MODIFIED = 17         /* the object is still the version that was named */
} om_code;

#define OM_MESSAGE_BYTES 500

/* Filled in by a call; the caller's memory. */
typedef struct om_error {
  om_code code;
  int32_t wire_status;     /* the status byte of the server's answer; -1: there was none */
  uint32_t retry_after_ms; /* when the server wants to be asked again; 0: it did not say */
  /* For a person: what was asked, and why not. Printable UTF-8: what a terminal would obey is
   * escaped. Ends with a NUL, may be cut. */
  char message[OM_MESSAGE_BYTES];
} om_error;

/* "OM_NOT_FOUND" and so on; "unknown" for other numbers. Static. Any thread. */
const char* om_code_name(int code);

/* ---- A connection ---- */

typedef struct om_client om_client;

/* Begin with OM_OPTIONS_INIT, which means the defaults: 0 in a field does. */
typedef struct om_options {
  /* sizeof(om_options), by which a later library knows an older program */
  size_t struct_bytes;
  /* for each address of the host, and again for the handshake; 0: 5000 */
  uint32_t connect_timeout_ms;
  /* how long a server that owes something may be silent, or take nothing; 0: 30000 */
  uint32_t request_timeout_ms;
  /* the most requests of a batch that are outstanding, up to 65535; 0: the server's */
  uint32_t max_pipeline;
  /* om_get() refuses a larger answer; 0: 4 GiB */
  uint64_t bytes_max;
  /* 1: who made the Unix socket (called listen(2)) must be server_uid; 0: anybody. For addresses
   * where others may be there first, such as one in /tmp */
  uint32_t check_server_uid;
  uint32_t server_uid;
  /* 1: answers that bring an object say which version it is (om_info, om_last_details()), which
   * costs the server a system call for each */
  uint32_t versions;
  /* whose all requests are, to a server with --tokens_file: 1 to 4096 bytes and a NUL, which are
   * the caller's; NULL or empty: none. Sent as it is: over TCP everybody on the way can read it.
   * Where the server takes no tokens it is not sent, and om_connect() is OM_UNSUPPORTED; where it
   * does not know this one, each request is OM_PERMISSION_DENIED */
  const char* token;
} om_options;

#define OM_OPTIONS_INIT \
  { sizeof(om_options), 0, 0, 0, 0, 0, 0, 0, NULL }

/* Connects to "unix:/path", "unix:@abstract" or "tcp://host:port"; a path that begins with "/",
 * "./" or "../" may stand alone.
 *
 * options: NULL means the defaults. *client: the caller's, to om_close(); NULL after an error.
 * Errors: OM_INVALID (the URL, an option), OM_UNSUPPORTED (a token), OM_CONNECTION (also: somebody
 * else's server is there), OM_TIMEOUT, OM_PROTOCOL, OM_UNAVAILABLE (the server is at its limit of
 * connections).
 */
om_code om_connect(const char* url, const om_options* options, om_client** client, om_error* error);

/* Ends the connection and frees the client. Descriptors that it gave stay open. NULL: does nothing.
 */
void om_close(om_client* client);

/* ---- Reading ---- */

/* A part of an object. length 0 means "to the end". */
typedef struct om_range {
  uint64_t offset;
  uint64_t length;
} om_range;

/* What the server said of an object. */
typedef struct om_info {
  uint64_t size;   /* bytes of the whole object */
  uint64_t offset; /* the part that was granted: what was asked for, cut at the object's end */
  uint64_t length;
  uint64_t mtime_s; /* seconds since the epoch, (int64_t) of it: below 0 before 1970; 0 where the
                       server did not say */
  char etag[72];    /* changes whenever the content does; empty where the server did not say */
} om_info;

/* What else it said: of the object that the last call was about, of those that fill in an om_info,
 * and ended with OM_OK (om_get_fds(): of the last one that came). */
typedef struct om_details {
  size_t struct_bytes; /* sizeof(om_details), set by the caller */
  int64_t expires_s;   /* seconds since the epoch: when the object is gone; 0: it does not say */
  char mime[120];      /* the media type; empty where the server did not say */
  /* Not 0: it may be outdated, since the server cannot ask its origin again. Absent from the
   * om_details of programs that were compiled before it was there, which get the others. */
  int stale;
} om_details;

/* The server tells them with om_options.versions alone. No server is asked. */
om_code om_last_details(const om_client* client, om_details* details, om_error* error);

/* By which way the server sends bytes; they are the same. A `mode` below. */
typedef enum om_mode {
  OM_COPY = 0,  /* from its memory */
  OM_SPLICE = 1 /* from file to socket, inside the kernel */
} om_mode;

/* In the calls below: range NULL means the whole object; info and error may be NULL. */

/* The object as an open file, whatever its size. Unix sockets only.
 *
 * *fd: the caller's, to close(). Read-only and close-on-exec; it names the whole object, and a
 * range is only told in *info. It stays good when the object is replaced or deleted. Read it with
 * pread(2) or mmap(2): a server may share one file offset among its clients (--fd_sharing).
 */
om_code om_get_fd(om_client* client, const char* uri, const om_range* range, int* fd, om_info* info,
                  om_error* error);

/* The object's bytes, in memory that is allocated here: *data is the caller's, to om_free(); never
 * NULL after OM_OK. */
om_code om_get(om_client* client, const char* uri, int mode, const om_range* range, void** data,
               size_t* size, om_info* info, om_error* error);

/* Frees what om_get() gave. NULL: does nothing. */
void om_free(void* data);

/* Fills `buffer` with the object's bytes from `offset` on, at most `capacity` of them. *got: how
 * many there were; fewer than `capacity` only at the object's end. After an error the buffer may
 * hold a part. */
om_code om_get_into(om_client* client, const char* uri, int mode, uint64_t offset, void* buffer,
                    size_t capacity, size_t* got, om_info* info, om_error* error);

/* About the object alone: size, mtime_s, etag; offset is 0 and length is size. */
om_code om_stat(om_client* client, const char* uri, om_info* info, om_error* error);

/* As om_get_fd() and om_get(), unless the object is still the version of this etag, which the
 * caller has: OM_NOT_MODIFIED. */
om_code om_get_fd_unless(om_client* client, const char* uri, const char* if_none_match, int* fd,
                         om_info* info, om_error* error);
om_code om_get_unless(om_client* client, const char* uri, int mode, const char* if_none_match,
                      void** data, size_t* size, om_info* info, om_error* error);

/* Takes one result of om_get_fds(): the index of its URI, and either its descriptor, which is the
 * callback's to close, and `info`; or -1 and `error`. The pointers are good during the call. It
 * must return, and must not use the client. */
typedef void (*om_fd_callback)(void* context, size_t index, int fd, const om_info* info,
                               const om_error* error);

/* Many objects as open files, asked for before the answers come. Unix sockets only.
 *
 * The callback gets one result for each of the `count` URIs, in any order, while this call runs. An
 * error concerns its own URI; when the connection ends, all that were not answered get that. After
 * OM_DESCRIPTORS_LOST what had not been asked for is not asked. Returns OM_OK when all were asked,
 * whatever their results; else as the last error.
 */
om_code om_get_fds(om_client* client, const char* const* uris, size_t count,
                   om_fd_callback callback, void* context, om_error* error);

/* ---- Changing what there is: a server with --writable ----
 *
 * An object appears whole or not at all, under its URI, in place of what had it, before the call
 * returns OM_OK. *info then tells its size, time and etag. ttl_s: seconds after which it is gone;
 * 0: it stays.
 *
 * Errors besides the others: OM_UNSUPPORTED (the server is read-only), OM_CONFLICT, OM_TOO_LARGE,
 * OM_UNAVAILABLE (there is no room).
 */

/* Stores `size` bytes. Where the server refuses them with much left to send, that ends the
 * connection, too; the code is the server's. */
om_code om_put(om_client* client, const char* uri, const void* data, size_t size, uint32_t ttl_s,
               om_info* info, om_error* error);

/* Stores the whole of an open regular file or memfd: the descriptor is passed, and the server
 * copies the file, by reflink where it can. Unix sockets only. fd: open for reading; stays the
 * caller's; its offset does not matter. */
om_code om_put_fd(om_client* client, const char* uri, int fd, uint32_t ttl_s, om_info* info,
                  om_error* error);

/* Stores `size` bytes by passing a new memfd that is sealed, so that a server with a memory tier
 * can keep it as it is. Unix sockets only. OM_LOCAL: there is no memory, or no descriptor, for the
 * memfd. */
om_code om_put_memory(om_client* client, const char* uri, const void* data, size_t size,
                      uint32_t ttl_s, om_info* info, om_error* error);

/* Removes an object. Descriptors and mappings of it stay good. OM_NOT_FOUND: there is none. */
om_code om_delete(om_client* client, const char* uri, om_error* error);

/* The same, if the object is the version of this etag, as an om_info told it; if_match NULL, which
 * om_delete_if() does not take: if there is no object. Else OM_PRECONDITION_FAILED, and nothing has
 * changed. The server decides that together with the name: of many that ask, one wins. */
om_code om_put_if(om_client* client, const char* uri, const char* if_match, const void* data,
                  size_t size, uint32_t ttl_s, om_info* info, om_error* error);
om_code om_put_fd_if(om_client* client, const char* uri, const char* if_match, int fd,
                     uint32_t ttl_s, om_info* info, om_error* error);
om_code om_delete_if(om_client* client, const char* uri, const char* if_match, om_error* error);

/* Takes one object of om_list(). Returns 0 to go on, anything else to end the list, with OM_OK.
 * `uri` is good during the call. It must return, and must not use the client. */
typedef int (*om_list_callback)(void* context, const char* uri, uint64_t size, uint64_t mtime_s);

/* The objects whose URIs begin with `prefix`, sorted by URI as bytes; "": all. Also of a server
 * without --writable. What comes and goes meanwhile may be among them or not. A server that lists
 * anything else is OM_PROTOCOL, after what came before that. */
om_code om_list(om_client* client, const char* prefix, om_list_callback callback, void* context,
                om_error* error);
/* The same of what the server's origins have, too, whether or not it is on the server's disk.
 * OM_UNSUPPORTED where there is nothing behind that prefix that could be listed, or the server does
 * not know of it. */
om_code om_list_through(om_client* client, const char* prefix, om_list_callback callback,
                        void* context, om_error* error);

#ifdef __cplusplus
}
#endif

#endif /* OBJMAPPER_OBJMAPPER_H_ */
