// The words, each with the function that reads it, and how they are written again.
#include "origin/config/origin.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "text/duration.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

constexpr uint64_t kBlockMin = 64 << 10;
constexpr uint64_t kBlockMax = 1 << 30;
constexpr uint64_t kPartMax = uint64_t{5} << 30;  // S3's own limit for a part
constexpr uint32_t kParallelMax = 256;

absl::Status Wrong(absl::string_view why) { return absl::InvalidArgumentError(why); }

// "8M", "64K", "1G", "4096": bytes, by powers of 1024.
std::optional<uint64_t> ParseBytes(absl::string_view text) {
  constexpr absl::string_view kUnits = "KMG";
  int shift = 0;
  if (!text.empty()) {
    if (const size_t unit = kUnits.find(text.back()); unit != absl::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  uint64_t number = 0;
  if (text.empty() || !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &number) || number > UINT64_MAX >> shift)
    return std::nullopt;
  return number << shift;
}

std::string BytesText(uint64_t bytes) {
  for (int shift = 30; shift > 0 && bytes != 0; shift -= 10) {
    if (bytes % (uint64_t{1} << shift) == 0)
      return absl::StrCat(bytes >> shift, absl::string_view("KMG").substr(shift / 10 - 1, 1));
  }
  return absl::StrCat(bytes);
}

absl::Status ReadBytes(absl::string_view value, uint64_t min, uint64_t max, uint64_t* out) {
  const std::optional<uint64_t> bytes = ParseBytes(value);
  if (!bytes.has_value() || *bytes < min || *bytes > max) {
    return Wrong(absl::StrCat("bytes from ", BytesText(min), " to ", BytesText(max),
                              ", like 64K, 8M or 1G"));
  }
  *out = *bytes;
  return absl::OkStatus();
}

absl::Status ReadDuration(absl::string_view value, absl::Duration* out) {
  absl::Duration duration;
  if (!text::ParseDuration(value, &duration) || duration < absl::ZeroDuration() ||
      duration == absl::InfiniteDuration())
    return Wrong("a time, like 500ms, 60s or 1h");
  *out = duration;
  return absl::OkStatus();
}

absl::Status ReadStall(absl::string_view value, Origin* origin) {
  constexpr char kWanted[] = "bytes in a time, like 1K/10s, or 0";
  if (value == "0") {
    origin->stall_bytes = 0;
    return absl::OkStatus();
  }
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(value, absl::MaxSplits('/', 1));
  const std::optional<uint64_t> bytes = ParseBytes(halves.first);
  absl::Duration time;
  if (!bytes.has_value() || *bytes == 0 || !ReadDuration(halves.second, &time).ok() ||
      time < absl::Seconds(1))
    return Wrong(absl::StrCat(kWanted, "; at least 1 byte, in at least 1s"));
  origin->stall_bytes = *bytes;
  origin->stall_time = time;
  return absl::OkStatus();
}

// A word. `read` returns what the value is not, behind "is not".
struct Word {
  absl::string_view name;
  bool is_s3s;     // makes sense for S3 alone
  bool has_value;  // "name=value", else the name alone
  absl::Status (*read)(absl::string_view value, Origin* origin);
};

absl::Status ReadEndpoint(absl::string_view value, Origin* origin) {
  absl::StatusOr<s3::Endpoint> endpoint = s3::ParseEndpoint(value);
  if (!endpoint.ok()) return endpoint.status();
  origin->endpoint = *std::move(endpoint);
  return absl::OkStatus();
}

absl::Status ReadRegion(absl::string_view value, Origin* origin) {
  if (!s3::IsRegionName(value)) return Wrong("the name of a region: 1 to 64 of a-z 0-9 -");
  origin->region = std::string(value);
  return absl::OkStatus();
}

absl::Status ReadPathStyle(absl::string_view value, Origin* origin) {
  if (value != "true" && value != "false") return Wrong("true or false");
  origin->path_style = value == "true";
  return absl::OkStatus();
}

absl::Status ReadProfile(absl::string_view value, Origin* origin) {
  std::string name;
  if (!absl::CUnescape(value, &name) || name.empty() ||
      name.find_first_of("[]\n") != std::string::npos)
    return Wrong("the name of a profile");
  origin->profile = std::move(name);
  return absl::OkStatus();
}

absl::Status ReadParallel(absl::string_view value, Origin* origin) {
  uint32_t number = 0;
  if (!absl::SimpleAtoi(value, &number) || number < 1 || number > kParallelMax)
    return Wrong(absl::StrCat("a number from 1 to ", kParallelMax));
  origin->parallel = number;
  return absl::OkStatus();
}

absl::Status ReadWrite(absl::string_view value, Origin* origin) {
  if (value != "through") return Wrong("through (without the word, nothing is written)");
  origin->write_through = true;
  return absl::OkStatus();
}

// In the order in which Text() writes them.
const Word kWords[] = {
    // ReadEndpoint's reason is a sentence of its own (Read()).
    {"endpoint", true, true, ReadEndpoint},
    {"region", true, true, ReadRegion},
    {"path_style", true, false,
     [](absl::string_view, Origin* origin) {
       origin->path_style = true;
       return absl::OkStatus();
     }},
    {"path_style", true, true, ReadPathStyle},
    {"profile", true, true, ReadProfile},
    {"anonymous", true, false,
     [](absl::string_view, Origin* origin) {
       origin->anonymous = true;
       return absl::OkStatus();
     }},
    {"immutable", false, false,
     [](absl::string_view, Origin* origin) {
       origin->immutable = true;
       return absl::OkStatus();
     }},
    {"revalidate", false, true,
     [](absl::string_view value, Origin* origin) {
       return ReadDuration(value, &origin->revalidate);
     }},
    {"negative", false, true,
     [](absl::string_view value, Origin* origin) {
       return ReadDuration(value, &origin->negative);
     }},
    {"stale_if_error", false, true,
     [](absl::string_view value, Origin* origin) {
       return ReadDuration(value, &origin->stale_if_error);
     }},
    {"part", false, true,
     [](absl::string_view value, Origin* origin) {
       return ReadBytes(value, kBlockMin, kPartMax, &origin->part_bytes);
     }},
    {"parallel", false, true, ReadParallel},
    {"block", false, true,
     [](absl::string_view value, Origin* origin) {
       return ReadBytes(value, kBlockMin, kBlockMax, &origin->block_bytes);
     }},
    {"stall", false, true, ReadStall},
    {"answer", false, true,
     [](absl::string_view value, Origin* origin) {
       absl::Duration time;
       if (!ReadDuration(value, &time).ok() || time < absl::Milliseconds(100))
         return Wrong("a time of at least 100ms, like 30s");
       origin->answer = time;
       return absl::OkStatus();
     }},
    {"slow", false, true,
     [](absl::string_view value, Origin* origin) { return ReadDuration(value, &origin->slow); }},
    {"write", false, true, ReadWrite},
};

std::string Names() {
  std::string names;
  for (const Word& word : kWords) {
    const std::string name = absl::StrCat(word.name, word.has_value ? "=" : "");
    absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  }
  return names;
}

absl::Status ReadWord(absl::string_view text, Origin* origin) {
  const size_t equals = text.find('=');
  const absl::string_view name = text.substr(0, equals);
  const bool has_value = equals != absl::string_view::npos;
  const Word* word = std::find_if(std::begin(kWords), std::end(kWords), [&](const Word& w) {
    return w.name == name && w.has_value == has_value;
  });
  if (word == std::end(kWords)) {
    for (const Word& other : kWords) {
      if (other.name != name) continue;
      return Wrong(absl::StrCat(text::Quoted(name), has_value ? " has no value" : " needs a value",
                                ": ", name, has_value ? "" : "=..."));
    }
    // A word that is none may be half of a URL with a password.
    return Wrong(absl::StrCat(absl::StrContains(name, "@") || absl::StrContains(name, "//")
                                  ? "something behind the URL"
                                  : text::Quoted(name, 64),
                              " is not one of the words ", Names()));
  }
  if (word->is_s3s && origin->kind != Origin::Kind::kS3)
    return Wrong(absl::StrCat(text::Quoted(name), " is for s3:// alone"));
  const absl::string_view value = has_value ? text.substr(equals + 1) : "";
  if (absl::Status read = word->read(value, origin); !read.ok()) {
    if (name == "endpoint") return Wrong(absl::StrCat("\"endpoint\" is no URL: ", read.message()));
    return Wrong(absl::StrCat(name, "=", text::Quoted(value, 64), " is not ", read.message()));
  }
  return absl::OkStatus();
}

// The components of `path` with a slash between; none: one of them would not survive being a path.
std::optional<std::string> OwnPrefix(absl::string_view path) {
  std::string unescaped;
  if (!absl::CUnescape(path, &unescaped)) return std::nullopt;
  absl::string_view own = unescaped;
  if (own.empty()) return "";
  absl::ConsumeSuffix(&own, "/");
  for (const absl::string_view part : absl::StrSplit(own, '/')) {
    if (part.empty() || part == "." || part == ".." || absl::StrContains(part, '\0'))
      return std::nullopt;
  }
  return std::string(own);
}

absl::Status ReadUrl(absl::string_view url, Origin* origin) {
  if (absl::ConsumePrefix(&url, "s3://")) {
    origin->kind = Origin::Kind::kS3;
    const size_t slash = std::min(url.find('/'), url.size());
    const absl::string_view bucket = url.substr(0, slash);
    if (absl::StrContains(bucket, "@") || absl::StrContains(bucket, ":"))
      return Wrong("behind s3:// there is a bucket, never keys: those are in a profile");
    if (!s3::IsBucketName(bucket)) {
      return Wrong(absl::StrCat(text::Quoted(bucket, 64),
                                " is not the name of a bucket: 3 to 255 of A-Z a-z 0-9 . _ -"));
    }
    origin->bucket = std::string(bucket);
    const std::optional<std::string> own =
        OwnPrefix(slash == url.size() ? "" : url.substr(slash + 1));
    if (!own.has_value()) {
      return Wrong(
          "what is behind the bucket has an empty component, \".\" or \"..\", or a wrong escape");
    }
    origin->key_prefix = *own;
    return absl::OkStatus();
  }
  origin->kind = Origin::Kind::kHttp;
  if (!absl::StartsWith(url, "http://") && !absl::StartsWith(url, "https://")) {
    // What stands there may be anything, but for a scheme that is another's.
    const size_t colon = url.find("://");
    return Wrong(absl::StrCat(
        "an origin begins with s3://, http:// or https://",
        colon == absl::string_view::npos
            ? ""
            : absl::StrCat(", and not with ", text::Quoted(url.substr(0, colon + 3), 16))));
  }
  absl::StatusOr<s3::Endpoint> endpoint = s3::ParseEndpoint(url);
  if (!endpoint.ok())
    return Wrong(absl::StrCat("the URL cannot be an origin's: ", endpoint.status().message()));
  origin->endpoint = *std::move(endpoint);
  return absl::OkStatus();
}

// As a line can hold it.
std::string Escaped(absl::string_view text) {
  std::string out;
  for (const char byte : absl::CEscape(text)) {
    if (byte == ' ') {
      out += "\\040";
    } else if (byte == '#') {
      out += "\\043";
    } else {
      out.push_back(byte);
    }
  }
  return out;
}

}  // namespace

std::string Origin::Url() const {
  if (kind == Kind::kHttp) return endpoint->Text();
  return absl::StrCat("s3://", bucket, key_prefix.empty() ? "" : "/", Escaped(key_prefix));
}

std::string Origin::Text() const {
  const Origin usual;
  std::string text = absl::StrCat("/", Escaped(prefix), " ", Url());
  const auto add = [&text](bool unusual, absl::string_view name, const absl::AlphaNum& value) {
    if (unusual) absl::StrAppend(&text, " ", name, value);
  };
  const auto add_time = [&](absl::string_view name, absl::Duration value, absl::Duration other) {
    add(value != other, name, absl::FormatDuration(value));
  };
  if (kind == Kind::kS3) {
    add(endpoint.has_value(), "endpoint=", endpoint.has_value() ? endpoint->Text() : "");
    add(!region.empty(), "region=", region);
    add(path_style.has_value(), "path_style=", path_style.value_or(false) ? "true" : "false");
    add(!profile.empty(), "profile=", Escaped(profile));
    add(anonymous, "anonymous", "");
  }
  add(immutable, "immutable", "");
  if (!immutable) add_time("revalidate=", revalidate, usual.revalidate);
  add_time("negative=", negative, usual.negative);
  add_time("stale_if_error=", stale_if_error, usual.stale_if_error);
  add(part_bytes != usual.part_bytes, "part=", BytesText(part_bytes));
  add(parallel != usual.parallel, "parallel=", parallel);
  add(block_bytes != usual.block_bytes, "block=", BytesText(block_bytes));
  if (stall_bytes == 0) {
    add(true, "stall=", 0);
  } else {
    add(stall_bytes != usual.stall_bytes || stall_time != usual.stall_time,
        "stall=", absl::StrCat(BytesText(stall_bytes), "/", absl::FormatDuration(stall_time)));
  }
  add_time("answer=", answer, usual.answer);
  add_time("slow=", slow, usual.slow);
  add(write_through, "write=", "through");
  return text;
}

std::ostream& operator<<(std::ostream& out, const Origin& origin) { return out << origin.Text(); }

absl::StatusOr<Origin> ParseOrigin(absl::string_view url_and_words) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(url_and_words, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.empty()) return Wrong("there is no URL");
  Origin origin;
  if (absl::Status url = ReadUrl(words[0], &origin); !url.ok()) return url;
  std::vector<absl::string_view> seen;
  for (size_t i = 1; i < words.size(); ++i) {
    const absl::string_view name = words[i].substr(0, words[i].find('='));
    if (absl::Status read = ReadWord(words[i], &origin); !read.ok()) return read;
    if (std::count(seen.begin(), seen.end(), name) > 0)
      return Wrong(absl::StrCat(text::Quoted(name), " is there twice"));
    seen.push_back(name);
  }
  const auto has = [&seen](absl::string_view name) {
    return std::count(seen.begin(), seen.end(), name) > 0;
  };
  if (has("immutable") && has("revalidate"))
    return Wrong("\"immutable\" and \"revalidate\" exclude each other");
  if (origin.kind == Origin::Kind::kS3) {
    // What cannot work is said here, where the line is known. Of regions and endpoints there may be
    // more in the environment.
    s3::Bucket::Where where = {origin.bucket, origin.region, origin.endpoint, origin.path_style};
    if (!where.endpoint.has_value()) where.region.clear();
    const absl::StatusOr<s3::Bucket> bucket = s3::Bucket::Make(std::move(where));
    if (!bucket.ok()) return bucket.status();
  }
  return origin;
}

absl::StatusOr<std::string> ParsePrefix(absl::string_view path) {
  std::string unescaped;
  if (!absl::StartsWith(path, "/") || !absl::CUnescape(path, &unescaped))
    return Wrong(absl::StrCat(text::Quoted(path), " is not a path that begins with \"/\""));
  std::string prefix;
  for (const absl::string_view part : absl::StrSplit(unescaped, '/', absl::SkipEmpty())) {
    if (part == "." || part == ".." || absl::StrContains(part, '\0'))
      return Wrong(
          absl::StrCat(text::Quoted(path), " is not a path without \".\", \"..\" and NUL"));
    absl::StrAppend(&prefix, prefix.empty() ? "" : "/", part);
  }
  return prefix;
}

}  // namespace objmapper::origin
