#include "client/list.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/error.h"
#include "client/exchange.h"

namespace objmapper::client {
namespace {

// An entry: uri_length u16 | uri | size u64 | mtime u64.
constexpr size_t kLengthBytes = 2;
constexpr size_t kNumberBytes = 8;

// A big-endian number of `bytes` bytes.
uint64_t Number(absl::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

}  // namespace

absl::StatusOr<std::vector<ListEntry>> ParseListBody(absl::string_view body) {
  std::vector<ListEntry> entries;
  const absl::Status cut = absl::InternalError("an entry of the list is cut short");
  while (!body.empty()) {
    if (body.size() < kLengthBytes) return cut;
    const size_t length = static_cast<size_t>(Number(body.substr(0, kLengthBytes)));
    body.remove_prefix(kLengthBytes);
    if (body.size() < length + 2 * kNumberBytes) return cut;
    ListEntry entry;
    entry.uri = std::string(body.substr(0, length));
    entry.size = Number(body.substr(length, kNumberBytes));
    entry.mtime_s = Number(body.substr(length + kNumberBytes, kNumberBytes));
    body.remove_prefix(length + 2 * kNumberBytes);
    entries.push_back(std::move(entry));
  }
  return entries;
}

absl::StatusOr<ListPage> Client::List(absl::string_view prefix, absl::string_view cursor) {
  constexpr protocol::Mode kMode = protocol::Mode::kList;
  std::string joined(prefix);
  if (absl::StrContains(prefix, '\0')) {
    return absl::InvalidArgumentError(
        absl::StrCat(WhatWasAsked(kMode, prefix), ": no object's name holds a NUL"));
  }
  if (!cursor.empty()) {
    joined.push_back('\0');
    joined.append(cursor.data(), cursor.size());
  }
  const std::string what = WhatWasAsked(kMode, prefix);
  absl::StatusOr<Answer> answer = Ask(*channel_, kMode, joined, std::nullopt);
  if (!answer.ok()) return answer.status();
  const absl::StatusOr<std::string> body = TakeBytes(*channel_, *answer, std::nullopt, what);
  if (!body.ok()) return body.status();
  absl::StatusOr<std::vector<ListEntry>> entries = ParseListBody(*body);
  if (!entries.ok()) return channel_->Break(About(what, entries.status()));
  return ListPage{*std::move(entries), answer->metadata.cursor.value_or("")};
}

absl::Status Client::ListAll(absl::string_view prefix,
                             absl::FunctionRef<bool(ListEntry entry)> each) {
  std::string cursor;
  while (true) {
    absl::StatusOr<ListPage> page = List(prefix, cursor);
    if (!page.ok()) return page.status();
    for (ListEntry& entry : page->entries) {
      if (!each(std::move(entry))) return absl::OkStatus();
    }
    if (page->cursor.empty()) return absl::OkStatus();
    if (page->cursor == cursor) {
      return channel_->Break(absl::InternalError(absl::StrCat(
          WhatWasAsked(protocol::Mode::kList, prefix), ": the list goes round in circles")));
    }
    cursor = std::move(page->cursor);
  }
}

}  // namespace objmapper::client
