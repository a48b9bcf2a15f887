#include "tools/bench/load/dbus_message.h"

#include <string.h>

namespace objmapper::bench {
namespace {

// Header: endianness u8 'l' | type u8 | flags u8 | version u8 = 1 | body bytes u32 | serial u32,
// then the length u32 of the array of fields; each field starts at a multiple of 8, as does the
// body.
constexpr size_t kBodyBytesAt = 4;
constexpr size_t kFieldBytesAt = 12;
constexpr size_t kFieldsAt = 16;
constexpr size_t kMessageBytesMax = 1 << 16;  // of those that can come here

enum Field : char {
  kPath = 1,
  kInterface = 2,
  kMember = 3,
  kErrorName = 4,
  kReplySerial = 5,
  kDestination = 6,
  kSignature = 8,
  kUnixFds = 9,
};

size_t Aligned(size_t value, size_t to) { return (value + to - 1) / to * to; }

uint32_t GetU32(const char* in) {
  uint32_t value;
  memcpy(&value, in, sizeof(value));
  return value;
}

void PutU32(uint32_t value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void PutString(absl::string_view value, std::string* out) {
  PutU32(value.size(), out);
  out->append(value.data(), value.size());
  out->push_back('\0');
}

// A field: its code and a variant, whose signature is one letter: 'o', 's' or 'g'.
void PutField(Field code, char type, absl::string_view value, std::string* out) {
  out->resize(Aligned(out->size(), 8));
  const char start[] = {code, 1, type, '\0'};
  out->append(start, sizeof(start));
  if (type == 'g') {
    out->push_back(static_cast<char>(value.size()));  // a signature's length is one byte
    out->append(value.data(), value.size());
    out->push_back('\0');
  } else {
    PutString(value, out);
  }
}

// Takes one field off `fields` at *at. False: it is cut short, or of a type that no field has.
bool ReadField(absl::string_view fields, size_t* at, DbusMessage* message) {
  *at = Aligned(*at, 8);
  if (*at + 5 > fields.size()) return false;  // code, signature (3 bytes), and at least a byte
  const char code = fields[*at];
  if (fields[*at + 1] != 1) return false;
  const char type = fields[*at + 2];
  *at += 4;
  if (type == 'g') {
    *at += 1 + static_cast<uint8_t>(fields[*at]) + 1;
    return *at <= fields.size();
  }
  if (*at + sizeof(uint32_t) > fields.size()) return false;
  const uint32_t value = GetU32(fields.data() + *at);
  *at += sizeof(value);
  if (type == 'u') {
    if (code == kReplySerial) message->reply_serial = value;
    if (code == kUnixFds) message->unix_fds = value;
    return true;
  }
  if (type != 's' && type != 'o') return false;
  if (value >= fields.size() - *at) return false;  // there is a NUL behind it
  if (code == kErrorName) message->error_name = fields.substr(*at, value);
  *at += value + 1;
  return true;
}

}  // namespace

std::string MarshalCall(const DbusCall& call, uint32_t serial) {
  std::string body;
  if (!call.argument.empty()) PutString(call.argument, &body);
  std::string out = {'l', DbusMessage::kCall, 0, 1};
  PutU32(body.size(), &out);
  PutU32(serial, &out);
  PutU32(0, &out);  // the fields' length, below
  PutField(kPath, 'o', call.path, &out);
  PutField(kInterface, 's', call.interface, &out);
  PutField(kMember, 's', call.member, &out);
  PutField(kDestination, 's', call.destination, &out);
  if (!body.empty()) PutField(kSignature, 'g', "s", &out);
  const uint32_t field_bytes = out.size() - kFieldsAt;
  memcpy(out.data() + kFieldBytesAt, &field_bytes, sizeof(field_bytes));
  out.resize(Aligned(out.size(), 8));
  return out + body;
}

bool ReadDbusMessage(absl::string_view input, DbusMessage* message) {
  *message = DbusMessage();
  if (!input.empty() && input[0] != 'l') return false;
  if (input.size() < kFieldsAt) return true;
  const uint64_t body_bytes = GetU32(input.data() + kBodyBytesAt);
  const uint64_t field_bytes = GetU32(input.data() + kFieldBytesAt);
  const uint64_t bytes = Aligned(kFieldsAt + field_bytes, 8) + body_bytes;
  if (bytes > kMessageBytesMax) return false;
  if (input.size() < bytes) return true;
  message->type = static_cast<uint8_t>(input[1]);
  const absl::string_view fields = input.substr(kFieldsAt, field_bytes);
  for (size_t at = 0; at < fields.size();) {
    if (!ReadField(fields, &at, message)) return false;
  }
  message->bytes = bytes;
  return true;
}

}  // namespace objmapper::bench
