// Lines into a table by prefix; a URI is looked up from its longest possible prefix down.
#include "origin/config/origins.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "net/text_file.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

constexpr size_t kS3KeyMax = 1024;  // "Creating object key names", Amazon S3's user guide

bool HasDots(absl::string_view path) {
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part == "." || part == "..") return true;
  }
  return false;
}

}  // namespace

std::string Location::Text() const {
  if (origin->kind == Origin::Kind::kS3)
    return text::Printable(absl::StrCat("s3://", origin->bucket, "/", key));
  const s3::Endpoint& endpoint = *origin->endpoint;
  return absl::StrCat(endpoint.tls ? "https://" : "http://", endpoint.host, key);
}

absl::Status Origins::Add(Origin origin) {
  const auto shared = std::make_shared<const Origin>(std::move(origin));
  if (!by_prefix_.try_emplace(shared->prefix, shared).second)
    return absl::InvalidArgumentError("an earlier line has the same prefix");
  longest_ = std::max(longest_, shared->prefix.size());
  all_.push_back(shared);
  return absl::OkStatus();
}

void Origins::Sort() {
  std::sort(all_.begin(), all_.end(),
            [](const auto& a, const auto& b) { return a->prefix < b->prefix; });
}

absl::StatusOr<Origins> Origins::Parse(absl::string_view text) {
  Origins origins;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const size_t blank = std::min(line.find_first_of(" \t"), line.size());
    const absl::StatusOr<std::string> prefix = ParsePrefix(line.substr(0, blank));
    // A line that begins with its URL could show a password.
    absl::Status status = absl::StrContains(line.substr(0, blank), "://")
                              ? absl::InvalidArgumentError("before the URL there is no prefix")
                              : prefix.status();
    if (status.ok()) {
      absl::StatusOr<Origin> origin = ParseOrigin(line.substr(blank));
      if (origin.ok()) origin->prefix = *prefix;
      status = origin.ok() ? origins.Add(*std::move(origin)) : origin.status();
    }
    if (!status.ok())
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", status.message()));
  }
  origins.Sort();
  return origins;
}

absl::StatusOr<Origins> Origins::Load(const std::string& path) {
  const absl::StatusOr<std::string> text = net::ReadTextFile(path, net::Readers::kAnybody);
  if (!text.ok()) return text.status();
  absl::StatusOr<Origins> origins = Parse(*text);
  if (!origins.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(text::Printable(path), ": ", origins.status().message()));
  }
  return origins;
}

absl::StatusOr<Origins> Origins::OfFlag(absl::string_view text) {
  absl::StatusOr<Origin> origin = ParseOrigin(text);
  if (!origin.ok()) return origin.status();
  Origins origins;
  absl::Status added = origins.Add(*std::move(origin));
  if (!added.ok()) return added;
  return origins;
}

const std::shared_ptr<const Origin>* Origins::LineFor(absl::string_view uri) const {
  size_t end = uri.size();
  while (true) {
    if (end <= longest_) {
      const auto found = by_prefix_.find(uri.substr(0, end));
      if (found != by_prefix_.end()) return &found->second;
    }
    if (end == 0) return nullptr;
    // The next shorter one that ends where a component does, or is none at all.
    const size_t slash = uri.rfind('/', std::min(end - 1, longest_));
    end = slash == absl::string_view::npos ? 0 : slash;
  }
}

const Origin* Origins::LineOf(absl::string_view uri) const {
  while (absl::ConsumePrefix(&uri, "/")) {
  }
  const std::shared_ptr<const Origin>* const line = LineFor(uri);
  return line == nullptr ? nullptr : line->get();
}

absl::StatusOr<Location> Origins::Find(absl::string_view uri) const {
  while (absl::ConsumePrefix(&uri, "/")) {
  }
  const std::shared_ptr<const Origin>* const line = LineFor(uri);
  const auto about = [uri](absl::string_view why) {
    return absl::StrCat(text::Quoted(uri), ": ", why);
  };
  if (line == nullptr) return absl::NotFoundError(about("there is no origin for it"));
  if (absl::StrContains(uri, '\0')) return absl::InvalidArgumentError(about("contains a NUL"));
  Location location;
  location.origin = *line;
  const Origin& origin = **line;
  // With the slash in front, but for what is the prefix itself.
  std::string behind;
  if (origin.prefix.empty()) {
    behind = absl::StrCat("/", uri);
  } else {
    behind = std::string(uri.substr(origin.prefix.size()));
  }
  if (origin.kind == Origin::Kind::kS3) {
    if (origin.key_prefix.empty()) {
      location.key = behind.empty() ? "" : behind.substr(1);
    } else {
      location.key = origin.key_prefix + behind;
    }
    if (location.key.empty())
      return absl::FailedPreconditionError(about("it is a whole bucket, not an object in it"));
    if (location.key.size() > kS3KeyMax) {
      return absl::OutOfRangeError(
          about(absl::StrCat("its key would be longer than ", kS3KeyMax, " bytes")));
    }
    return location;
  }
  if (HasDots(behind)) {
    return absl::PermissionDeniedError(
        about("\".\" and \"..\" between slashes would lead elsewhere at its origin"));
  }
  location.key = absl::StrCat(origin.endpoint->path, s3::EncodeKey(behind));
  if (location.key.empty() || location.key == "/")
    return absl::FailedPreconditionError(about("it is a whole server, not an object on it"));
  return location;
}

std::optional<std::string> Origins::UriOf(const Origin& origin, absl::string_view key) const {
  if (origin.kind != Origin::Kind::kS3) return std::nullopt;
  // What is behind the origin's own prefix and its slash; nullopt: the key is that prefix.
  std::optional<absl::string_view> behind = key;
  if (!origin.key_prefix.empty()) {
    absl::string_view rest = key;
    if (!absl::ConsumePrefix(&rest, origin.key_prefix)) return std::nullopt;
    behind = std::nullopt;
    if (absl::ConsumePrefix(&rest, "/")) {
      behind = rest;
    } else if (!rest.empty()) {
      return std::nullopt;
    }
  }
  std::string uri = origin.prefix;
  if (behind.has_value()) absl::StrAppend(&uri, uri.empty() ? "" : "/", *behind);
  const absl::StatusOr<Location> found = Find(uri);
  if (!found.ok() || found->origin->prefix != origin.prefix || found->key != key)
    return std::nullopt;
  return uri;
}

Origins::Stretch Origins::StretchAt(absl::string_view uri) const {
  Stretch stretch;
  if (const std::shared_ptr<const Origin>* const line = LineFor(uri); line != nullptr)
    stretch.origin = *line;
  // A line is for its prefix and for all that is behind a '/' there, but not for what stands
  // between the two: "a!" is between "a" and "a/".
  const auto ends_at = [&](absl::string_view prefix, absl::string_view behind) {
    std::string place = absl::StrCat(prefix, behind);
    if (place > uri && (!stretch.end.has_value() || place < *stretch.end))
      stretch.end = std::move(place);
  };
  constexpr absl::string_view kNul("\0", 1), kBehindSlash("0");
  static_assert('/' + 1 == '0');
  for (const std::shared_ptr<const Origin>& origin : all_) {
    if (origin->prefix.empty()) continue;
    for (const absl::string_view behind :
         {absl::string_view(), kNul, absl::string_view("/"), kBehindSlash})
      ends_at(origin->prefix, behind);
  }
  return stretch;
}

std::vector<std::shared_ptr<const Origin>> Origins::Meeting(absl::string_view prefix) const {
  // The prefix itself may be a URI, and what goes on in its last component is another line's.
  const std::shared_ptr<const Origin>* const line = LineFor(prefix);
  const std::string longer = absl::StrCat(prefix, absl::string_view("\0", 1));
  const std::shared_ptr<const Origin>* const line_of_longer = LineFor(longer);
  std::vector<std::shared_ptr<const Origin>> meeting;
  for (const std::shared_ptr<const Origin>& origin : all_) {
    if ((line != nullptr && *line == origin) ||
        (line_of_longer != nullptr && *line_of_longer == origin) ||
        absl::StartsWith(origin->prefix, prefix))
      meeting.push_back(origin);
  }
  return meeting;
}

}  // namespace objmapper::origin
