// The service that D-Bus contenders are asked through: method Open(s) -> h of the interface
// org.objmapper.Bench, at "/", returns the named file of the root, opened read-only.
//
//   dbus_service unix:path=BUS_SOCKET ROOT
//
// Source: sd-bus(3), sd_bus_add_object_vtable(3).
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <iostream>

namespace {

constexpr char kName[] = "org.objmapper.Bench";

int Open(sd_bus_message* call, void* root, sd_bus_error* error) {
  const char* name = nullptr;
  const int read = sd_bus_message_read(call, "s", &name);
  if (read < 0) return read;
  const int fd = openat(*static_cast<int*>(root), name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return sd_bus_error_set_errno(error, errno);
  // The message duplicates the descriptor; ours is closed.
  const int sent = sd_bus_reply_method_return(call, "h", fd);
  close(fd);
  return sent;
}

constexpr sd_bus_vtable kMethods[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Open", "s", "h", Open, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

int Fail(const char* what, int error) {
  std::cerr << "dbus_service: " << what << ": " << strerror(error) << std::endl;
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "dbus_service: expected ADDRESS ROOT" << std::endl;
    return 2;
  }
  int root = open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return Fail(argv[2], errno);
  sd_bus* bus = nullptr;
  int result = sd_bus_new(&bus);
  if (result >= 0) result = sd_bus_set_address(bus, argv[1]);
  if (result >= 0) result = sd_bus_set_bus_client(bus, true);
  if (result >= 0) result = sd_bus_negotiate_fds(bus, true);
  if (result >= 0) result = sd_bus_start(bus);
  if (result < 0) return Fail(argv[1], -result);
  result = sd_bus_add_object_vtable(bus, nullptr, "/", kName, kMethods, &root);
  if (result < 0) return Fail("its methods", -result);
  result = sd_bus_request_name(bus, kName, 0);
  if (result < 0) return Fail(kName, -result);
  std::cerr << "ready" << std::endl;
  while (true) {
    result = sd_bus_process(bus, nullptr);
    if (result == 0) result = sd_bus_wait(bus, UINT64_MAX);
    if (result < 0 && result != -EINTR) return Fail("the bus has gone", -result);
  }
}
