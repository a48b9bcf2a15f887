// Pages of OP_LIST. Names must begin with the prefix and ascend, and a list that makes no progress
// for several pages is an error.
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/client.h"
#include "client/error.h"
#include "client/exchange.h"
#include "protocol/limits.h"
#include "protocol/objm/big_endian.h"
#include "text/printable.h"

namespace objmapper::client {
namespace {

// An entry: uri_length u16 | uri | size u64 | mtime i64.
constexpr size_t kLengthBytes = 2;
constexpr size_t kNumberBytes = 8;

// The body of one LIST answer (docs/protocol.md, "Limits").
constexpr size_t kPageBytesMax = 1024 * 1024;

// So many pages in a row may bring nothing but where to go on: what lies there may be for others.
constexpr size_t kEmptyPagesMax = 10000;

// Why `uri` cannot be what comes behind `before` in a list of `prefix`; empty: it can.
absl::string_view WrongName(absl::string_view uri, absl::string_view prefix,
                            absl::string_view before) {
  if (uri.empty()) return "it is empty";
  if (uri.size() > protocol::kUriBytesMax) return "it is too long";
  if (absl::StrContains(uri, '\0')) return "it contains a NUL";
  if (!absl::StartsWith(uri, prefix)) return "it does not begin with the prefix";
  if (uri <= before) return "it is not after the previous one";
  return "";
}

// The entries in the body of the answer to a LIST of `prefix`, of which all that came before were
// up to `after`: empty, none. INTERNAL, and the message names the entry, when it is cut short, or
// one is not what was asked for: a name that does not begin with the prefix, that is empty, too
// long or holds a NUL, or that does not come behind the one before.
absl::StatusOr<std::vector<ListEntry>> ParseListBody(absl::string_view body,
                                                     absl::string_view prefix,
                                                     absl::string_view after) {
  std::vector<ListEntry> entries;
  const absl::Status cut = absl::InternalError("an entry of the list is cut short");
  while (!body.empty()) {
    if (body.size() < kLengthBytes) return cut;
    const size_t length = protocol::GetU16(body.data());
    body.remove_prefix(kLengthBytes);
    if (body.size() < length + 2 * kNumberBytes) return cut;
    const absl::string_view uri = body.substr(0, length);
    const absl::string_view before =
        entries.empty() ? after : absl::string_view(entries.back().uri);
    if (const absl::string_view wrong = WrongName(uri, prefix, before); !wrong.empty()) {
      return absl::InternalError(absl::StrCat("the server lists ", text::Quoted(uri),
                                              ", which is not valid there: ", wrong));
    }
    const char* const numbers = body.data() + length;
    entries.push_back({std::string(uri), protocol::GetU64(numbers),
                       static_cast<int64_t>(protocol::GetU64(numbers + kNumberBytes))});
    body.remove_prefix(length + 2 * kNumberBytes);
  }
  return entries;
}

}  // namespace

absl::StatusOr<ListPage> Client::List(absl::string_view prefix, absl::string_view cursor,
                                      bool through) {
  return ListBehind(prefix, cursor, "", through);
}

absl::StatusOr<ListPage> Client::ListBehind(absl::string_view prefix, absl::string_view cursor,
                                            absl::string_view after, bool through) {
  constexpr protocol::Mode kMode = protocol::Mode::kList;
  const std::string what = WhatWasAsked(kMode, prefix);
  if (absl::StrContains(prefix, '\0')) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": no object's name contains a NUL"));
  }
  std::string joined(prefix);
  if (!cursor.empty()) {
    joined.push_back('\0');
    joined.append(cursor.data(), cursor.size());
  }
  protocol::RequestToSend request = {.mode = kMode, .uri = joined};
  if (through) request.flags |= protocol::kFlagThrough;
  absl::StatusOr<Answer> answer = Ask(*channel_, request);
  if (!answer.ok()) return answer.status();
  if (answer->content_length > kPageBytesMax) {
    return channel_->BreakAsWrong(what, ": a page of ", answer->content_length, " bytes, where ",
                                  kPageBytesMax, " are the most");
  }
  const absl::StatusOr<std::string> body = TakeBody(*channel_, answer->content_length, what);
  if (!body.ok()) return body.status();
  absl::StatusOr<std::vector<ListEntry>> entries = ParseListBody(*body, prefix, after);
  if (!entries.ok()) return channel_->Break(About(what, entries.status()));
  return ListPage{*std::move(entries), answer->metadata.cursor.value_or("")};
}

absl::Status Client::ListAll(absl::string_view prefix,
                             absl::FunctionRef<bool(ListEntry entry)> each, bool through) {
  std::string cursor;
  std::string last;  // the entry before
  size_t empty_pages = 0;
  while (true) {
    absl::StatusOr<ListPage> page = ListBehind(prefix, cursor, last, through);
    if (!page.ok()) return page.status();
    if (!page->entries.empty()) last = page->entries.back().uri;
    empty_pages = page->entries.empty() ? empty_pages + 1 : 0;
    const bool stays = page->cursor == cursor || empty_pages == kEmptyPagesMax;
    for (ListEntry& entry : page->entries) {
      if (!each(std::move(entry))) return absl::OkStatus();
    }
    if (page->cursor.empty()) return absl::OkStatus();
    if (stays) {
      return channel_->BreakAsWrong(WhatWasAsked(protocol::Mode::kList, prefix),
                                    ": the list makes no progress");
    }
    cursor = std::move(page->cursor);
  }
}

}  // namespace objmapper::client
