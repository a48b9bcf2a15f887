// Writes an object to the standard output: reads it through a descriptor, or asks for its bytes
// over TCP.
//
//   bazel run //client/examples:fetch -- unix:/run/objmapper.sock models/a.json
#include <unistd.h>

#include <iostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/client.h"
#include "client/object.h"
#include "client/retry.h"

namespace {

using objmapper::client::Client;
using objmapper::client::FdObject;
using objmapper::client::Retry;
using objmapper::client::RetryPolicy;

absl::Status Fetch(const std::string& url, const std::string& uri) {
  absl::StatusOr<Client> client = Client::Connect(url);
  if (!client.ok()) return client.status();
  if (!client->is_unix()) {
    // The object's bytes. What is UNAVAILABLE is asked again, when the server said.
    absl::StatusOr<std::string> bytes = Retry(RetryPolicy(), [&] { return client->GetBytes(uri); });
    if (bytes.ok()) std::cout << *bytes;
    return bytes.status();
  }
  // The object as an open file: the same cost whatever its size.
  absl::StatusOr<FdObject> object = client->GetFd(uri);
  if (!object.ok()) return object.status();
  char buffer[65536];
  for (off_t offset = 0;;) {
    const ssize_t got = pread(object->fd.get(), buffer, sizeof(buffer), offset);
    if (got < 0) return absl::DataLossError("pread of the received descriptor");
    if (got == 0) return absl::OkStatus();
    std::cout.write(buffer, got);
    offset += got;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " URL URI\n";
    return 2;
  }
  const absl::Status status = Fetch(argv[1], argv[2]);
  if (!status.ok()) std::cerr << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
