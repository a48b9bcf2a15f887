/* Every call of objmapper.h, through the installed library, against the real server.
 * tests/client/c/install_test.py builds and runs it:
 *
 *   api_test UNIX_URL TCP_URL read|store|tokens
 *
 * The server is --writable for "store". For "tokens" it lets nobody read but who has the token
 * "secret-of-alice-0", who may all. Its root has "hello.txt" ("hello\n"), "empty", and "big"
 * (3000000 bytes, byte i being i % 251).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <objmapper.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BIG 3000000

static int failures = 0;

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) {                                                         \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                               \
    }                                                                           \
  } while (0)

static om_error error; /* of the last call */

/* The call ended with this code, told by its result and in `error`, with a message if it is one. */
#define EXPECT(expected, call)                                                               \
  do {                                                                                       \
    memset(&error, 'x', sizeof(error));                                                      \
    const om_code code_ = (call);                                                            \
    if (code_ != (expected) || error.code != (expected) ||                                   \
        (code_ == OM_OK) != (error.message[0] == '\0')) {                                    \
      fprintf(stderr, "%s:%d: %s: %s, not %s: %.*s\n", __FILE__, __LINE__, #call,            \
              om_code_name(code_), om_code_name(expected), OM_MESSAGE_BYTES, error.message); \
      ++failures;                                                                            \
    }                                                                                        \
  } while (0)

static om_client* connect_to(const char* url) {
  om_client* client;
  EXPECT(OM_OK, om_connect(url, NULL, &client, &error));
  if (client == NULL) exit(1);
  return client;
}

static int is_big(const unsigned char* data, uint64_t offset, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (data[i] != (offset + i) % 251) return 0;
  }
  return 1;
}

/* Bytes come whole and in parts, by both ways, into the library's memory and the caller's. */
static void test_bytes(const char* url) {
  om_client* client = connect_to(url);
  om_info info;
  void* data;
  size_t size;
  for (int mode = OM_COPY; mode <= OM_SPLICE; ++mode) {
    EXPECT(OM_OK, om_get(client, "hello.txt", mode, NULL, &data, &size, &info, &error));
    CHECK(size == 6 && memcmp(data, "hello\n", 6) == 0 && info.size == 6 && info.length == 6);
    om_free(data);
    EXPECT(OM_OK, om_get(client, "big", mode, NULL, &data, &size, NULL, &error));
    CHECK(size == BIG && is_big(data, 0, size));
    om_free(data);
    const om_range range = {1000, 2000};
    EXPECT(OM_OK, om_get(client, "big", mode, &range, &data, &size, &info, &error));
    CHECK(size == 2000 && is_big(data, 1000, size));
    CHECK(info.size == BIG && info.offset == 1000 && info.length == 2000);
    om_free(data);
    EXPECT(OM_OK, om_get(client, "empty", mode, NULL, &data, &size, &info, &error));
    CHECK(size == 0 && data != NULL && info.size == 0);
    om_free(data);
    unsigned char buffer[100];
    EXPECT(OM_OK, om_get_into(client, "big", mode, BIG - 10, buffer, sizeof(buffer), &size, &info,
                              &error));
    CHECK(size == 10 && is_big(buffer, BIG - 10, 10) && info.offset == BIG - 10);
    EXPECT(OM_OK, om_get_into(client, "big", mode, 7, buffer, sizeof(buffer), &size, NULL, &error));
    CHECK(size == sizeof(buffer) && is_big(buffer, 7, sizeof(buffer)));
    EXPECT(OM_OK, om_get_into(client, "big", mode, 7, NULL, 0, &size, NULL, &error));
    CHECK(size == 0);
    EXPECT(OM_RANGE,
           om_get_into(client, "big", mode, BIG + 1, buffer, sizeof(buffer), &size, NULL, &error));
  }
  om_free(NULL);
  om_close(client);
}

/* A descriptor is the object, read-only, close-on-exec, and the caller's; over TCP there are none.
 */
static void test_descriptor(const char* unix_url, const char* tcp_url) {
  om_client* client = connect_to(unix_url);
  om_info info;
  int fd = -7;
  EXPECT(OM_OK, om_get_fd(client, "hello.txt", NULL, &fd, &info, &error));
  char text[10];
  CHECK(pread(fd, text, sizeof(text), 0) == 6 && memcmp(text, "hello\n", 6) == 0);
  CHECK(info.size == 6 && info.offset == 0 && info.length == 6);
  CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(write(fd, "x", 1) < 0 && errno == EBADF);
  const om_range range = {2, 0};
  int second;
  EXPECT(OM_OK, om_get_fd(client, "hello.txt", &range, &second, &info, &error));
  CHECK(info.size == 6 && info.offset == 2 && info.length == 4);
  close(second);
  om_close(client);
  CHECK(pread(fd, text, sizeof(text), 0) == 6); /* outlives its client */
  close(fd);
  client = connect_to(tcp_url);
  fd = -7;
  EXPECT(OM_INVALID, om_get_fd(client, "hello.txt", NULL, &fd, NULL, &error));
  CHECK(fd == -7 && strstr(error.message, "Unix sockets") != NULL);
  om_close(client);
}

/* An answer that is no OK is told by code, status byte and text, and the client goes on. */
static void test_errors(const char* url) {
  om_client* client = connect_to(url);
  om_info info;
  EXPECT(OM_OK, om_stat(client, "hello.txt", &info, &error));
  CHECK(info.size == 6 && info.length == 6 && info.mtime_s > 0 && info.etag[0] != '\0' &&
        error.wire_status == -1);
  EXPECT(OM_NOT_FOUND, om_stat(client, "none", &info, &error));
  CHECK(error.wire_status == 1 && strstr(error.message, "OP_STAT \"none\"") != NULL);
  EXPECT(OM_PERMISSION_DENIED, om_stat(client, "../etc", &info, &error));
  const om_range behind = {7, 0};
  void* data = &info;
  size_t size;
  EXPECT(OM_RANGE, om_get(client, "hello.txt", OM_COPY, &behind, &data, &size, NULL, &error));
  CHECK(data == &info);
  char* name = malloc(5001);
  memset(name, 'n', 5000);
  name[5000] = '\0';
  EXPECT(OM_INVALID, om_stat(client, name, NULL, &error));
  free(name);
  CHECK(om_stat(client, "none", NULL, NULL) == OM_NOT_FOUND);
  EXPECT(OM_OK, om_stat(client, "hello.txt", NULL, &error));
  om_close(client);
}

/* No null pointer, empty name or number out of range does harm. */
static void test_bad_input(const char* url) {
  om_client* client = connect_to(url);
  om_info info;
  void* data;
  size_t size;
  int fd;
  EXPECT(OM_INVALID, om_connect(url, NULL, NULL, &error));
  om_client* none = client;
  EXPECT(OM_INVALID, om_connect(NULL, NULL, &none, &error));
  CHECK(none == NULL);
  EXPECT(OM_INVALID, om_connect("carrier:pigeon", NULL, &none, &error));
  EXPECT(OM_CONNECTION, om_connect("unix:/tmp/there-is-no-such-socket", NULL, &none, &error));
  om_options options = OM_OPTIONS_INIT;
  options.struct_bytes = sizeof(options) + 1;
  EXPECT(OM_INVALID, om_connect(url, &options, &none, &error));
  options.struct_bytes = 0;
  EXPECT(OM_INVALID, om_connect(url, &options, &none, &error));
  options.struct_bytes = sizeof(options);
  options.max_pipeline = 65536;
  EXPECT(OM_INVALID, om_connect(url, &options, &none, &error));
  EXPECT(OM_INVALID, om_stat(NULL, "a", &info, &error));
  EXPECT(OM_INVALID, om_stat(client, NULL, &info, &error));
  EXPECT(OM_INVALID, om_stat(client, "", &info, &error));
  EXPECT(OM_INVALID, om_get_fd(client, "a", NULL, NULL, NULL, &error));
  EXPECT(OM_INVALID, om_get_fd(client, "", NULL, &fd, NULL, &error));
  EXPECT(OM_INVALID, om_get(client, "a", 2, NULL, &data, &size, NULL, &error));
  EXPECT(OM_INVALID, om_get(client, "a", OM_COPY, NULL, NULL, &size, NULL, &error));
  EXPECT(OM_INVALID, om_get(client, "a", OM_COPY, NULL, &data, NULL, NULL, &error));
  EXPECT(OM_INVALID, om_get_into(client, "a", OM_COPY, 0, NULL, 1, &size, NULL, &error));
  EXPECT(OM_INVALID, om_get_fds(client, NULL, 1, NULL, NULL, &error));
  om_close(NULL);
  EXPECT(OM_OK, om_stat(client, "hello.txt", NULL, &error));
  om_close(client);
  for (int code = OM_OK; code <= OM_LOCAL; ++code)
    CHECK(strncmp(om_code_name(code), "OM_", 3) == 0);
  CHECK(strcmp(om_code_name(-1), "unknown") == 0 && strcmp(om_code_name(99), "unknown") == 0);
  CHECK(strcmp(om_version(), OM_VERSION) == 0);
}

/* What is larger than bytes_max is refused before memory is taken for it, and ends the connection.
 */
static void test_bytes_max(const char* url) {
  om_options options = OM_OPTIONS_INIT;
  options.bytes_max = 1000;
  om_client* client;
  void* data;
  size_t size;
  EXPECT(OM_OK, om_connect(url, &options, &client, &error));
  EXPECT(OM_TOO_LARGE, om_get(client, "big", OM_COPY, NULL, &data, &size, NULL, &error));
  EXPECT(OM_CONNECTION, om_stat(client, "hello.txt", NULL, &error));
  om_close(client);
}

struct results {
  size_t calls, opened, not_found, invalid, lost;
};

static void take_fd(void* context, size_t index, int fd, const om_info* info,
                    const om_error* failure) {
  struct results* results = context;
  ++results->calls;
  if (fd >= 0) {
    CHECK(failure == NULL && info->size == (index % 2 == 0 ? 6 : BIG));
    ++results->opened;
    return; /* left open: closed all at once below */
  }
  CHECK(info == NULL);
  if (failure->code == OM_NOT_FOUND) ++results->not_found;
  if (failure->code == OM_INVALID) ++results->invalid;
  if (failure->code == OM_DESCRIPTORS_LOST) {
    CHECK(strstr(failure->message, "RLIMIT_NOFILE") != NULL);
    ++results->lost;
  }
}

/* Closes what was received: all descriptors from `first` on. */
static void close_from(int first) {
  for (int fd = first; fd < 1024; ++fd) close(fd);
}

/* A batch has one result for each URI. At the limit of descriptors the rest are lost, which the
 * client survives. */
static void test_batch(const char* url) {
  enum { kCount = 200 };
  om_client* client = connect_to(url);
  const char* uris[kCount];
  for (int i = 0; i < kCount; ++i) uris[i] = i % 2 == 0 ? "hello.txt" : "big";
  const char* const some[] = {"hello.txt", "none", "", "big", NULL};
  const int first = dup(0);
  close(first);
  struct results results = {0, 0, 0, 0, 0};
  EXPECT(OM_OK, om_get_fds(client, some, 5, take_fd, &results, &error));
  CHECK(results.calls == 5 && results.opened == 2 && results.not_found == 1 &&
        results.invalid == 2);
  close_from(first);
  memset(&results, 0, sizeof(results));
  EXPECT(OM_OK, om_get_fds(client, uris, kCount, take_fd, &results, &error));
  CHECK(results.calls == kCount && results.opened == kCount);
  close_from(first);

  struct rlimit limit, before;
  getrlimit(RLIMIT_NOFILE, &before);
  limit = before;
  limit.rlim_cur = (rlim_t)first + 10;
  setrlimit(RLIMIT_NOFILE, &limit);
  memset(&results, 0, sizeof(results));
  EXPECT(OM_DESCRIPTORS_LOST, om_get_fds(client, uris, kCount, take_fd, &results, &error));
  CHECK(results.calls == kCount && results.opened == 10 && results.lost == kCount - 10);
  int fd;
  EXPECT(OM_DESCRIPTORS_LOST, om_get_fd(client, "hello.txt", NULL, &fd, NULL, &error));
  close_from(first);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT(OM_OK, om_get_fd(client, "hello.txt", NULL, &fd, NULL, &error));
  close(fd);
  om_close(client);
}

/* Bytes and descriptors are stored, replaced, and removed; what the answer tells is what the object
 * is. */
static void test_store(const char* url, int is_unix) {
  om_client* client = connect_to(url);
  om_info stored, told;
  unsigned char* big = malloc(BIG);
  for (int i = 0; i < BIG; ++i) big[i] = (unsigned char)(i % 251);
  void* data;
  size_t size;
  for (size_t bytes = 0; bytes <= BIG; bytes += BIG / 2) {
    EXPECT(OM_OK,
           om_put(client, "stored/object", bytes == 0 ? NULL : big, bytes, 0, &stored, &error));
    EXPECT(OM_OK, om_stat(client, "stored/object", &told, &error));
    CHECK(stored.size == bytes && told.size == bytes && strcmp(stored.etag, told.etag) == 0 &&
          told.etag[0] != '\0');
    EXPECT(OM_OK, om_get(client, "stored/object", OM_COPY, NULL, &data, &size, NULL, &error));
    CHECK(size == bytes && is_big(data, 0, size));
    om_free(data);
  }
  EXPECT(OM_OK, om_delete(client, "stored/object", &error));
  EXPECT(OM_NOT_FOUND, om_stat(client, "stored/object", NULL, &error));
  EXPECT(OM_NOT_FOUND, om_delete(client, "stored/object", &error));
  if (is_unix) {
    int fd;
    EXPECT(OM_OK, om_get_fd(client, "big", NULL, &fd, NULL, &error));
    EXPECT(OM_OK, om_put_fd(client, "stored/copy", fd, 0, &stored, &error));
    CHECK(stored.size == BIG && fcntl(fd, F_GETFD) >= 0);
    close(fd);
    EXPECT(OM_OK, om_put_memory(client, "stored/memory", big, BIG, 0, &stored, &error));
    const char* const names[] = {"stored/copy", "stored/memory"};
    for (int i = 0; i < 2; ++i) {
      EXPECT(OM_OK, om_get(client, names[i], OM_COPY, NULL, &data, &size, NULL, &error));
      CHECK(size == BIG && is_big(data, 0, size));
      om_free(data);
      EXPECT(OM_OK, om_delete(client, names[i], &error));
    }
    EXPECT(OM_OK, om_put_memory(client, "stored/memory", NULL, 0, 0, &stored, &error));
    EXPECT(OM_OK, om_delete(client, "stored/memory", &error));
    EXPECT(OM_INVALID, om_put_fd(client, "a", -1, 0, NULL, &error));
    fd = open("/tmp", O_PATH);
    EXPECT(OM_INVALID, om_put_fd(client, "a", fd, 0, NULL, &error));
    close(fd);
  } else {
    EXPECT(OM_INVALID, om_put_fd(client, "a", 0, 0, NULL, &error));
    EXPECT(OM_INVALID, om_put_memory(client, "a", big, 1, 0, NULL, &error));
  }
  EXPECT(OM_INVALID, om_put(client, "a", NULL, 1, 0, NULL, &error));
  EXPECT(OM_INVALID, om_put(client, "", big, 1, 0, NULL, &error));
  EXPECT(OM_PERMISSION_DENIED, om_put(client, "../a", big, 1, 0, NULL, &error));
  EXPECT(OM_CONFLICT, om_put(client, "hello.txt/below", big, 1, 0, NULL, &error));
  EXPECT(OM_NOT_FOUND, om_stat(client, "a", NULL, &error));
  free(big);
  om_close(client);
}

/* An object is created, replaced and removed as the version that is named, or not at all; what the
 * caller has is not sent; and what is sent says which version it is. */
static void test_versions(const char* url, int is_unix) {
  om_options options = OM_OPTIONS_INIT;
  options.versions = 1;
  om_client* client;
  EXPECT(OM_OK, om_connect(url, &options, &client, &error));
  om_info first, second, got;
  om_details details;
  details.struct_bytes = sizeof(details);
  void* data;
  size_t size;
  EXPECT(OM_OK, om_put_if(client, "v.json", NULL, "one", 3, 3600, &first, &error));
  EXPECT(OM_OK, om_last_details(client, &details, &error));
  CHECK(strcmp(details.mime, "application/json") == 0);
  CHECK(details.expires_s > time(NULL) + 3000 && details.expires_s < time(NULL) + 4000);
  CHECK(details.stale == 0);
  /* A program that knows no `stale` is told the rest, and nothing behind it is touched. */
  om_details older;
  memset(&older, 0x7f, sizeof(older));
  older.struct_bytes = offsetof(om_details, stale);
  EXPECT(OM_OK, om_last_details(client, &older, &error));
  CHECK(older.expires_s == details.expires_s && strcmp(older.mime, details.mime) == 0);
  CHECK(older.stale == 0x7f7f7f7f);
  older.struct_bytes = 8;
  EXPECT(OM_INVALID, om_last_details(client, &older, &error));
  EXPECT(OM_PRECONDITION_FAILED, om_put_if(client, "v.json", NULL, "two", 3, 0, NULL, &error));
  CHECK(strstr(error.message, first.etag) != NULL && strstr(error.message, "v.json") != NULL);
  EXPECT(OM_PRECONDITION_FAILED, om_put_if(client, "v.json", "other", "two", 3, 0, NULL, &error));
  EXPECT(OM_NOT_MODIFIED,
         om_get_unless(client, "v.json", OM_COPY, first.etag, &data, &size, NULL, &error));
  EXPECT(OM_OK, om_put_if(client, "v.json", first.etag, "two", 3, 0, &second, &error));
  EXPECT(OM_OK, om_get_unless(client, "v.json", OM_COPY, first.etag, &data, &size, &got, &error));
  CHECK(size == 3 && memcmp(data, "two", 3) == 0 && strcmp(got.etag, second.etag) == 0);
  om_free(data);
  EXPECT(OM_OK, om_last_details(client, &details, &error));
  CHECK(details.expires_s == 0);
  if (is_unix) {
    int fd;
    EXPECT(OM_NOT_MODIFIED, om_get_fd_unless(client, "v.json", second.etag, &fd, NULL, &error));
    EXPECT(OM_OK, om_get_fd_unless(client, "v.json", first.etag, &fd, &got, &error));
    CHECK(strcmp(got.etag, second.etag) == 0 && got.mtime_s == second.mtime_s);
    EXPECT(OM_PRECONDITION_FAILED, om_put_fd_if(client, "v.json", NULL, fd, 0, NULL, &error));
    EXPECT(OM_OK, om_put_fd_if(client, "v.json", second.etag, fd, 0, &second, &error));
    close(fd);
  }
  EXPECT(OM_PRECONDITION_FAILED, om_delete_if(client, "v.json", first.etag, &error));
  EXPECT(OM_OK, om_delete_if(client, "v.json", second.etag, &error));
  EXPECT(OM_PRECONDITION_FAILED, om_delete_if(client, "v.json", second.etag, &error));
  EXPECT(OM_INVALID, om_delete_if(client, "v.json", "", &error));
  EXPECT(OM_INVALID, om_delete_if(client, "v.json", NULL, &error));
  details.struct_bytes = 1;
  EXPECT(OM_INVALID, om_last_details(client, &details, &error));
  om_close(client);
}

/* An object with a time to live goes; one whose time is long stays meanwhile. */
static void test_ttl(const char* url) {
  om_client* client = connect_to(url);
  EXPECT(OM_OK, om_put(client, "mortal", "1", 1, 1, NULL, &error));
  EXPECT(OM_OK, om_put(client, "long", "1", 1, 3600, NULL, &error));
  const time_t end = time(NULL) + 60;
  while (om_stat(client, "mortal", NULL, NULL) == OM_OK && time(NULL) < end) usleep(20000);
  EXPECT(OM_NOT_FOUND, om_stat(client, "mortal", NULL, &error));
  EXPECT(OM_OK, om_stat(client, "long", NULL, &error));
  EXPECT(OM_OK, om_delete(client, "long", &error));
  om_close(client);
}

struct seen {
  int calls, stop_after, in_order;
  char last[100];
};

static int see(void* context, const char* uri, uint64_t size, uint64_t mtime_s) {
  struct seen* seen = context;
  ++seen->calls;
  if (strcmp(uri, seen->last) <= 0 || size != (uint64_t)(uri[strlen(uri) - 1] - '0') ||
      mtime_s == 0)
    seen->in_order = 0;
  snprintf(seen->last, sizeof(seen->last), "%s", uri);
  return seen->calls == seen->stop_after;
}

/* A list has what begins with its prefix, in order, and ends when the callback wants. */
static void test_list(const char* url) {
  om_client* client = connect_to(url);
  char uri[] = "listed/0";
  for (int i = 9; i >= 0; --i) {
    uri[7] = (char)('0' + i);
    EXPECT(OM_OK, om_put(client, uri, "123456789", (size_t)i, 0, NULL, &error));
  }
  struct seen seen = {0, 0, 1, ""};
  EXPECT(OM_OK, om_list(client, "listed/", see, &seen, &error));
  CHECK(seen.calls == 10 && seen.in_order);
  seen = (struct seen){0, 3, 1, ""};
  EXPECT(OM_OK, om_list(client, "listed/", see, &seen, &error));
  CHECK(seen.calls == 3 && seen.in_order);
  seen = (struct seen){0, 0, 1, ""};
  EXPECT(OM_OK, om_list(client, "there is nothing here", see, &seen, &error));
  CHECK(seen.calls == 0);
  seen = (struct seen){0, 1, 1, ""};
  EXPECT(OM_OK, om_list(client, "", see, &seen, &error));
  CHECK(seen.calls == 1);
  EXPECT(OM_INVALID, om_list(client, NULL, see, &seen, &error));
  EXPECT(OM_INVALID, om_list(client, "", NULL, NULL, &error));
  /* There is no origin that could be listed. */
  EXPECT(OM_UNSUPPORTED, om_list_through(client, "listed/", see, &seen, &error));
  CHECK(strstr(error.message, "origins") != NULL);
  om_close(client);
}

/* In a forked child the client refuses to work, and closing it there leaves the parent's as it was.
 */
static void test_fork(const char* url) {
  om_client* client = connect_to(url);
  const pid_t child = fork();
  if (child == 0) {
    EXPECT(OM_INVALID, om_stat(client, "hello.txt", NULL, &error));
    CHECK(strstr(error.message, "forked") != NULL);
    om_close(client);
    client = connect_to(url);
    EXPECT(OM_OK, om_stat(client, "hello.txt", NULL, &error));
    om_close(client);
    _exit(failures == 0 ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  EXPECT(OM_OK, om_stat(client, "hello.txt", NULL, &error));
  om_close(client);
}

/* A server of somebody else's is told nothing; TCP does not say whose it is. */
static void test_whose_server(const char* unix_url, const char* tcp_url) {
  om_options options = OM_OPTIONS_INIT;
  om_client* client;
  options.check_server_uid = 1;
  options.server_uid = (uint32_t)geteuid() + 1;
  EXPECT(OM_CONNECTION, om_connect(unix_url, &options, &client, &error));
  CHECK(client == NULL && strstr(error.message, "the server there is uid ") != NULL);
  EXPECT(OM_INVALID, om_connect(tcp_url, &options, &client, &error));
  options.server_uid = (uint32_t)geteuid();
  EXPECT(OM_OK, om_connect(unix_url, &options, &client, &error));
  EXPECT(OM_OK, om_stat(client, "hello.txt", NULL, &error));
  om_close(client);
  /* A program that was built before there was such a thing. */
  options.struct_bytes = offsetof(om_options, check_server_uid);
  options.server_uid = (uint32_t)geteuid() + 1;
  EXPECT(OM_OK, om_connect(unix_url, &options, &client, &error));
  om_close(client);
}

/* A token says whose all requests are. */
static void test_tokens(const char* url, int is_unix) {
  om_options options = OM_OPTIONS_INIT;
  om_client* client;
  void* data;
  size_t size;
  EXPECT(OM_OK, om_connect(url, &options, &client, &error));
  EXPECT(OM_PERMISSION_DENIED,
         om_get(client, "hello.txt", OM_COPY, NULL, &data, &size, NULL, &error));
  om_close(client);
  options.token = "secret-of-nobody";
  EXPECT(OM_OK, om_connect(url, &options, &client, &error));
  EXPECT(OM_PERMISSION_DENIED,
         om_get(client, "hello.txt", OM_COPY, NULL, &data, &size, NULL, &error));
  CHECK(strstr(error.message, "token") != NULL && strstr(error.message, "secret") == NULL);
  om_close(client);
  options.token = "secret-of-alice-0";
  EXPECT(OM_OK, om_connect(url, &options, &client, &error));
  EXPECT(OM_OK, om_get(client, "hello.txt", OM_COPY, NULL, &data, &size, NULL, &error));
  CHECK(size == 6 && memcmp(data, "hello\n", 6) == 0);
  om_free(data);
  if (is_unix) {
    int fd;
    EXPECT(OM_OK, om_get_fd(client, "hello.txt", NULL, &fd, NULL, &error));
    EXPECT(OM_OK, om_put_fd(client, "copy.txt", fd, 0, NULL, &error));
    close(fd);
  }
  om_close(client);
  /* The descriptor of the very first request. */
  if (is_unix) {
    const int fd = open("/dev/null", O_RDONLY);
    EXPECT(OM_OK, om_connect(url, &options, &client, &error));
    EXPECT(OM_INVALID, om_put_fd(client, "null", fd, 0, NULL, &error));
    EXPECT(OM_OK, om_stat(client, "hello.txt", NULL, &error));
    close(fd);
    om_close(client);
  }
  /* As of a program that was built before there were tokens. */
  options.struct_bytes = offsetof(om_options, token);
  EXPECT(OM_OK, om_connect(url, &options, &client, &error));
  EXPECT(OM_PERMISSION_DENIED, om_stat(client, "hello.txt", NULL, &error));
  om_close(client);
}

/* A server that takes none does not get it. */
static void test_no_tokens(const char* url) {
  om_options options = OM_OPTIONS_INIT;
  om_client* client;
  options.token = "secret-of-alice-0";
  EXPECT(OM_UNSUPPORTED, om_connect(url, &options, &client, &error));
  CHECK(client == NULL && strstr(error.message, "takes no tokens") != NULL);
  CHECK(strstr(error.message, "secret") == NULL);
  options.token = "";
  EXPECT(OM_OK, om_connect(url, &options, &client, &error));
  om_close(client);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int reads = strcmp(argv[3], "read") == 0;
  for (int i = 1; i <= 2; ++i) {
    if (strcmp(argv[3], "tokens") == 0) {
      test_tokens(argv[i], i == 1);
    } else if (reads) {
      test_no_tokens(argv[i]);
      test_bytes(argv[i]);
      test_errors(argv[i]);
      test_bad_input(argv[i]);
      test_bytes_max(argv[i]);
      test_fork(argv[i]);
    } else {
      test_store(argv[i], i == 1);
      test_versions(argv[i], i == 1);
      test_ttl(argv[i]);
      test_list(argv[i]);
    }
  }
  if (reads) {
    test_descriptor(argv[1], argv[2]);
    test_batch(argv[1]);
    test_whose_server(argv[1], argv[2]);
  }
  if (failures > 0) fprintf(stderr, "%d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
