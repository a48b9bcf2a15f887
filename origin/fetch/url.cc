// libcurl's URL parser, so that what is judged is what will be asked.
#include "origin/fetch/url.h"

#include <curl/curl.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "text/printable.h"

namespace objmapper::origin::fetch {
namespace {

struct UrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlCleanup>;

constexpr size_t kShownMax = 512;

std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string copy(text);
  curl_free(text);
  return copy;
}

absl::StatusOr<Url> Parse(absl::string_view text) {
  Url url(curl_url());
  if (text.find('\0') != text.npos ||
      curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_PATH_AS_IS) !=
          CURLUE_OK) {
    return absl::InvalidArgumentError(absl::StrCat(Shown(text), " is no URL"));
  }
  const std::string scheme = Part(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return absl::InvalidArgumentError(absl::StrCat(Shown(text), " is neither http nor https"));
  }
  if (!Part(url.get(), CURLUPART_USER).empty() || !Part(url.get(), CURLUPART_PASSWORD).empty()) {
    return absl::InvalidArgumentError(absl::StrCat(Shown(text), " had a user's name in it"));
  }
  return url;
}

}  // namespace

absl::StatusOr<std::string> OriginOf(absl::string_view text) {
  absl::StatusOr<Url> url = Parse(text);
  if (!url.ok()) return url.status();
  return absl::StrCat(Part(url->get(), CURLUPART_SCHEME), "://",
                      absl::AsciiStrToLower(Part(url->get(), CURLUPART_HOST)), ":",
                      Part(url->get(), CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

absl::StatusOr<std::string> Resolve(absl::string_view base, absl::string_view location) {
  absl::StatusOr<Url> url = Parse(base);
  if (!url.ok()) return url.status();
  if (location.find('\0') != location.npos ||
      // Servers send blanks and bytes beyond ASCII as they are: those become %XX.
      curl_url_set(url->get(), CURLUPART_URL, std::string(location).c_str(),
                   CURLU_PATH_AS_IS | CURLU_URLENCODE) != CURLUE_OK) {
    return absl::InvalidArgumentError(absl::StrCat(Shown(location), " is no URL"));
  }
  const std::string resolved = Part(url->get(), CURLUPART_URL);
  const absl::StatusOr<Url> checked = Parse(resolved);
  if (!checked.ok()) return checked.status();
  return resolved;
}

std::string Shown(absl::string_view url) {
  // By hand: what is to be shown may be what no parser takes.
  const size_t query = url.find_first_of("?#");
  const bool more = query != url.npos;
  url = url.substr(0, query);
  const size_t scheme = url.find("://");
  const size_t host = scheme == url.npos ? 0 : scheme + 3;
  const size_t path = url.find('/', host);
  const size_t user = url.substr(0, path).rfind('@');
  std::string shown(url.substr(0, host));
  absl::StrAppend(&shown, url.substr(user == url.npos || user < host ? host : user + 1));
  if (shown.size() > kShownMax) shown = shown.substr(0, kShownMax) + "...";
  if (more) absl::StrAppend(&shown, "?...");
  return text::Printable(shown);
}

}  // namespace objmapper::origin::fetch
