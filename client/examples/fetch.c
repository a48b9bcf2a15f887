/* Writes an object to the standard output: reads it through a descriptor, or asks for its bytes
 * over TCP.
 *
 *   gcc fetch.c $(pkg-config --cflags --libs objmapper) -o fetch
 *   ./fetch unix:/run/objmapper.sock models/a.json
 */
#include <objmapper.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Writes all of it, or returns -1. */
static int write_all(const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(STDOUT_FILENO, data, size);
    if (written < 0) return -1;
    data += written;
    size -= (size_t)written;
  }
  return 0;
}

static int fail(const om_error* error) {
  fprintf(stderr, "%s: %s\n", om_code_name(error->code), error->message);
  if (error->retry_after_ms > 0) fprintf(stderr, "ask again in %u ms\n", error->retry_after_ms);
  return error->code;
}

/* The object as an open file: the same cost whatever its size. */
static int fetch_by_descriptor(om_client* client, const char* uri) {
  om_error error;
  om_info info;
  int fd;
  if (om_get_fd(client, uri, NULL, &fd, &info, &error) != OM_OK) return fail(&error);
  char buffer[65536];
  uint64_t offset = 0;
  ssize_t got;
  while ((got = pread(fd, buffer, sizeof(buffer), (off_t)offset)) > 0) {
    if (write_all(buffer, (size_t)got) != 0) break;
    offset += (uint64_t)got;
  }
  close(fd);
  return offset == info.size ? 0 : OM_LOCAL;
}

/* The object's bytes: the way that works over TCP, too. */
static int fetch_by_copy(om_client* client, const char* uri) {
  om_error error;
  void* data;
  size_t size;
  if (om_get(client, uri, OM_COPY, NULL, &data, &size, NULL, &error) != OM_OK) return fail(&error);
  const int failed = write_all(data, size);
  om_free(data);
  return failed != 0 ? OM_LOCAL : 0;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s URL URI\n", argv[0]);
    return OM_INVALID;
  }
  om_client* client;
  om_error error;
  if (om_connect(argv[1], NULL, &client, &error) != OM_OK) return fail(&error);
  const int is_unix = strncmp(argv[1], "unix:", 5) == 0;
  const int result =
      is_unix ? fetch_by_descriptor(client, argv[2]) : fetch_by_copy(client, argv[2]);
  om_close(client);
  return result;
}
