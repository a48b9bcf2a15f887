// D-Bus: method calls that bring a descriptor.
#include <string.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/load/dbus_message.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

constexpr uint32_t kHelloSerial = 1;
constexpr char kBusName[] = "org.freedesktop.DBus";
constexpr char kServiceName[] = "org.objmapper.Bench";

// A line of the SASL conversation, which has to begin with `wanted`.
Head ReadLine(absl::string_view input, absl::string_view wanted) {
  const size_t end = input.find("\r\n");
  if (end == absl::string_view::npos) return Head();
  if (!absl::StartsWith(input, wanted)) return BrokenHead(input.substr(0, end));
  Head head;
  head.kind = Head::Kind::kNotice;
  head.consumed = end + 2;
  return head;
}

// The reply to `serial`; anything else on the bus (the NameAcquired signal) is a notice.
Head ReadReply(absl::string_view input, uint32_t serial) {
  DbusMessage message;
  if (!ReadDbusMessage(input, &message)) return BrokenHead("a D-Bus message is malformed");
  if (message.bytes == 0) return Head();
  Head head = AnswerHead(message.bytes);
  if (message.reply_serial == 0) {
    head.kind = Head::Kind::kNotice;
    return head;
  }
  if (message.reply_serial != serial) {
    return BrokenHead("a reply is not to the oldest method call");
  }
  head.ok = message.type == DbusMessage::kReturn;
  if (!head.ok) head.message = message.error_name;
  head.brings_fd = message.unix_fds == 1;
  return head;
}

class Dbus : public WireDriver {
 public:
  // All of it at once, as sd-bus does; the bus answers with two lines and then messages.
  std::string Opening() const override {
    const std::string uid = absl::BytesToHexString(absl::StrCat(getuid()));
    const std::string hello = MarshalCall({.destination = kBusName,
                                           .path = "/"
                                                   "org/freedesktop/DBus",
                                           .interface = kBusName,
                                           .member = "Hello"},
                                          kHelloSerial);
    return absl::StrCat(absl::string_view("\0", 1), "AUTH EXTERNAL ", uid,
                        "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", hello);
  }

  Head NextOpening(absl::string_view input, int stage) const override {
    if (stage == 0) return ReadLine(input, "OK ");
    if (stage == 1) return ReadLine(input, "AGREE_UNIX_FD");
    Head head = ReadReply(input, kHelloSerial);
    if (!head.ok) return BrokenHead(head.message);
    return head;
  }

  std::string Request(Ask, absl::string_view name, absl::string_view) const override {
    return MarshalCall({.destination = kServiceName,
                        .path = "/",
                        .interface = kServiceName,
                        .member = "Open",
                        .argument = name},
                       kHelloSerial + 1);
  }

  void SetId(char* request, uint32_t id) const override {
    memcpy(request + kDbusSerialAt, &id, sizeof(id));
  }

  Head Next(absl::string_view input, Ask, uint32_t id) const override {
    Head head = ReadReply(input, id);
    if (head.kind == Head::Kind::kAnswer && head.ok && !head.brings_fd) {
      return BrokenHead("a reply to Open does not have one descriptor");
    }
    return head;
  }
};

}  // namespace

std::unique_ptr<WireDriver> MakeDbus() { return std::make_unique<Dbus>(); }

}  // namespace objmapper::bench
