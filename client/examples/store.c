/* Stores a file as an object, shows what is beside it, and removes it again.
 *
 *   gcc store.c $(pkg-config --cflags --libs objmapper) -o store
 *   ./store unix:/run/objmapper.sock a.json models/a.json     # of a server that runs with
 * --writable
 */
#include <fcntl.h>
#include <objmapper.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fail(const om_error* error) {
  fprintf(stderr, "%s: %s\n", om_code_name(error->code), error->message);
  return error->code;
}

static int print_entry(void* context, const char* uri, uint64_t size, uint64_t mtime_s) {
  (void)context;
  printf("%s: %llu bytes, changed at %llu\n", uri, (unsigned long long)size,
         (unsigned long long)mtime_s);
  return 0; /* go on */
}

static int store(om_client* client, const char* path, const char* uri) {
  om_error error;
  om_info info;
  const int fd = open(path, O_RDONLY);
  if (fd < 0) {
    perror(path);
    return OM_LOCAL;
  }
  /* The descriptor is passed; the server copies the file, and no bytes cross the connection. */
  const om_code stored = om_put_fd(client, uri, fd, 0, &info, &error);
  close(fd);
  if (stored != OM_OK) return fail(&error);
  printf("stored %llu bytes, etag %s\n", (unsigned long long)info.size, info.etag);
  /* Bytes in memory go through it. This object is gone after a minute. */
  static const char note[] = "stored by an example";
  char beside[4200];
  snprintf(beside, sizeof(beside), "%s.note", uri);
  if (om_put(client, beside, note, strlen(note), 60, NULL, &error) != OM_OK) return fail(&error);
  if (om_list(client, uri, print_entry, NULL, &error) != OM_OK) return fail(&error);
  if (om_delete(client, uri, &error) != OM_OK) return fail(&error);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s URL FILE URI\n", argv[0]);
    return OM_INVALID;
  }
  om_client* client;
  om_error error;
  if (om_connect(argv[1], NULL, &client, &error) != OM_OK) return fail(&error);
  const int result = store(client, argv[2], argv[3]);
  om_close(client);
  return result;
}
