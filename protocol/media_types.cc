// The types that browsers and build tools care about, and those of this field's files.
#include "protocol/media_types.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"

namespace objmapper::protocol {
namespace {

using Types = absl::flat_hash_map<absl::string_view, absl::string_view>;

const Types& TypesByExtension() {
  static const auto* const types = new Types{
      {"7z", "application/x-7z-compressed"},
      {"aac", "audio/aac"},
      {"apk", "application/vnd.android.package-archive"},
      {"avif", "image/avif"},
      {"bmp", "image/bmp"},
      {"bz2", "application/x-bzip2"},
      {"c", "text/plain; charset=utf-8"},
      {"cc", "text/plain; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"csv", "text/csv; charset=utf-8"},
      {"deb", "application/vnd.debian.binary-package"},
      {"epub", "application/epub+zip"},
      {"flac", "audio/flac"},
      {"gif", "image/gif"},
      {"gz", "application/gzip"},
      {"h", "text/plain; charset=utf-8"},
      {"htm", "text/html; charset=utf-8"},
      {"html", "text/html; charset=utf-8"},
      {"ico", "image/vnd.microsoft.icon"},
      {"jar", "application/java-archive"},
      {"jpeg", "image/jpeg"},
      {"jpg", "image/jpeg"},
      {"js", "text/javascript; charset=utf-8"},
      {"json", "application/json"},
      {"log", "text/plain; charset=utf-8"},
      {"m4a", "audio/mp4"},
      {"md", "text/markdown; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"mkv", "video/x-matroska"},
      {"mov", "video/quicktime"},
      {"mp3", "audio/mpeg"},
      {"mp4", "video/mp4"},
      {"oga", "audio/ogg"},
      {"ogg", "audio/ogg"},
      {"ogv", "video/ogg"},
      {"opus", "audio/ogg"},
      {"otf", "font/otf"},
      {"parquet", "application/vnd.apache.parquet"},
      {"pdf", "application/pdf"},
      {"png", "image/png"},
      {"py", "text/x-python; charset=utf-8"},
      {"rar", "application/vnd.rar"},
      {"rpm", "application/x-rpm"},
      {"sh", "text/x-shellscript; charset=utf-8"},
      {"svg", "image/svg+xml"},
      {"tar", "application/x-tar"},
      {"tgz", "application/gzip"},
      {"tif", "image/tiff"},
      {"tiff", "image/tiff"},
      {"toml", "application/toml"},
      {"ttf", "font/ttf"},
      {"txt", "text/plain; charset=utf-8"},
      {"wasm", "application/wasm"},
      {"wav", "audio/wav"},
      {"webm", "video/webm"},
      {"webp", "image/webp"},
      {"whl", "application/zip"},
      {"woff", "font/woff"},
      {"woff2", "font/woff2"},
      {"xhtml", "application/xhtml+xml"},
      {"xml", "application/xml"},
      {"xz", "application/x-xz"},
      {"yaml", "application/yaml"},
      {"yml", "application/yaml"},
      {"zip", "application/zip"},
      {"zst", "application/zstd"},
  };
  return *types;
}

}  // namespace

absl::string_view MediaTypeOf(absl::string_view name) {
  constexpr absl::string_view kUnknown = "application/octet-stream";
  constexpr size_t kExtensionMax = 8;
  name = name.substr(name.rfind('/') + 1);  // npos + 1 is 0
  const size_t dot = name.rfind('.');
  if (dot == absl::string_view::npos || dot == 0 || name.size() - dot - 1 > kExtensionMax)
    return kUnknown;
  char lower[kExtensionMax];
  size_t length = 0;
  for (const char c : name.substr(dot + 1))
    lower[length++] = absl::ascii_tolower(static_cast<uint8_t>(c));
  const auto found = TypesByExtension().find(absl::string_view(lower, length));
  return found == TypesByExtension().end() ? kUnknown : found->second;
}

}  // namespace objmapper::protocol
