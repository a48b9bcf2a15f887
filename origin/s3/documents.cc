// By the paths of elements, whose names are those of S3's API reference.
//
// <EncodingType> comes before or behind the keys that it is about, so keys are decoded when the
// page is whole.
#include "origin/s3/documents.h"

#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "text/printable.h"

namespace objmapper::origin::s3 {
namespace {

constexpr XmlBounds kErrorBounds = {.bytes_max = 64 << 10};
// A key of 1024 bytes takes 3072, encoded, and some 400 are around it; 1000 entries are asked for.
constexpr XmlBounds kListBounds = {.bytes_max = ListReader::kEntriesMax * 4096};

constexpr absl::string_view kRoot = "ListBucketResult/";

absl::Status Wrong(absl::string_view what, absl::string_view value) {
  return absl::DataLossError(absl::StrCat(what, " is ", text::Quoted(value, 64)));
}

// One %XX for each byte, and '+' for a blank, which a key that has a '+' is encoded with (%2B) by
// all who do that.
absl::StatusOr<std::string> Decoded(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto digit = [](unsigned char c) {
    return absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    } else if (text.size() - i > 2 &&
               absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) &&
               absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]))) {
      out.push_back(static_cast<char>(digit(static_cast<unsigned char>(text[i + 1])) << 4 |
                                      digit(static_cast<unsigned char>(text[i + 2]))));
      i += 2;
    } else {
      return Wrong("a key in a listing, said to be encoded,", text);
    }
  }
  return out;
}

std::string WithoutQuotes(absl::string_view etag) {
  if (absl::ConsumePrefix(&etag, "\"")) absl::ConsumeSuffix(&etag, "\"");
  return std::string(etag);
}

}  // namespace

absl::StatusOr<ErrorDocument> ParseError(absl::string_view xml) {
  ErrorDocument error;
  bool found = false;
  XmlReader reader(
      [&](absl::string_view path, absl::string_view text) {
        absl::ConsumePrefix(&path, "ErrorResponse/");
        if (path == "Error") found = true;
        absl::ConsumePrefix(&path, "Error/");
        std::string* const field = path == "Code"        ? &error.code
                                   : path == "Message"   ? &error.message
                                   : path == "Region"    ? &error.region
                                   : path == "Endpoint"  ? &error.endpoint
                                   : path == "RequestId" ? &error.request_id
                                                         : nullptr;
        if (field != nullptr) *field = std::string(text);
        return absl::OkStatus();
      },
      kErrorBounds);
  absl::Status status = reader.Feed(xml);
  if (status.ok()) status = reader.Finish();
  if (!status.ok()) return status;
  if (!found || error.code.empty()) return absl::DataLossError("it has no error's code");
  return error;
}

ListReader::ListReader()
    : reader_(
          [this](absl::string_view path, absl::string_view text) { return OnElement(path, text); },
          kListBounds) {}

absl::Status ListReader::AddObject() {
  if (!has_key_ || !has_size_) return absl::DataLossError("an entry has no key or no size");
  has_key_ = has_size_ = false;
  page_.objects.push_back(std::move(object_));
  object_ = ListedObject();
  return absl::OkStatus();
}

absl::Status ListReader::OnElement(absl::string_view path, absl::string_view text) {
  if (path == "ListBucketResult") complete_ = true;
  if (!absl::ConsumePrefix(&path, kRoot)) return absl::OkStatus();
  if (path == "Contents/Key") {
    object_.key = std::string(text);
    has_key_ = true;
  } else if (path == "Contents/Size") {
    has_size_ = true;
    if (!absl::SimpleAtoi(text, &object_.size)) return Wrong("the size of an object", text);
  } else if (path == "Contents/ETag") {
    object_.etag = WithoutQuotes(text);
  } else if (path == "Contents/LastModified") {
    std::string why;
    if (!absl::ParseTime(absl::RFC3339_full, text, &object_.mtime, &why))
      return Wrong("the time of an object", text);
  } else if (path == "Contents") {
    absl::Status added = AddObject();
    if (!added.ok()) return added;
  } else if (path == "CommonPrefixes/Prefix") {
    encoded_prefixes_.emplace_back(text);
  } else if (path == "NextContinuationToken") {
    page_.continuation = std::string(text);
  } else if (path == "IsTruncated") {
    truncated_ = text == "true";
  } else if (path == "EncodingType") {
    encoded_ = text == "url";
  }
  if (page_.objects.size() + encoded_prefixes_.size() > kEntriesMax) {
    return absl::DataLossError(
        absl::StrCat("a page of the listing has more than ", kEntriesMax, " entries"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ListReader::Decode(absl::string_view text) const {
  return encoded_ ? Decoded(text) : absl::StatusOr<std::string>(std::string(text));
}

absl::StatusOr<ListPage> ListReader::Finish() {
  if (absl::Status status = reader_.Finish(); !status.ok()) return status;
  if (!complete_) return absl::DataLossError("it is not the listing of a bucket");
  if (truncated_ && page_.continuation.empty())
    return absl::DataLossError("there is more of the listing, and no way to ask for it");
  if (!truncated_) page_.continuation.clear();
  for (ListedObject& object : page_.objects) {
    absl::StatusOr<std::string> key = Decode(object.key);
    if (!key.ok()) return key.status();
    object.key = *std::move(key);
  }
  for (const std::string& encoded : encoded_prefixes_) {
    absl::StatusOr<std::string> prefix = Decode(encoded);
    if (!prefix.ok()) return prefix.status();
    page_.prefixes.push_back(*std::move(prefix));
  }
  return std::move(page_);
}

absl::StatusOr<std::string> ParseUploadId(absl::string_view xml) {
  std::string id;
  XmlReader reader(
      [&id](absl::string_view path, absl::string_view text) {
        if (path == "InitiateMultipartUploadResult/UploadId") id = std::string(text);
        return absl::OkStatus();
      },
      kErrorBounds);
  absl::Status status = reader.Feed(xml);
  if (status.ok()) status = reader.Finish();
  if (!status.ok()) return status;
  if (id.empty()) return absl::DataLossError("it has no UploadId");
  return id;
}

std::string CompleteMultipartUpload(const std::vector<std::string>& etags) {
  std::string xml = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (size_t i = 0; i < etags.size(); ++i) {
    absl::StrAppend(&xml, "<Part><PartNumber>", i + 1, "</PartNumber><ETag>&quot;",
                    absl::StrReplaceAll(etags[i], {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}}),
                    "&quot;</ETag></Part>");
  }
  return xml + "</CompleteMultipartUpload>";
}

absl::StatusOr<std::string> ParseCompleted(absl::string_view xml) {
  // Blanks come while it is at work.
  xml = absl::StripLeadingAsciiWhitespace(xml);
  std::string etag;
  bool completed = false;
  XmlReader reader(
      [&](absl::string_view path, absl::string_view text) {
        if (path == "CompleteMultipartUploadResult") completed = true;
        if (path == "CompleteMultipartUploadResult/ETag") etag = std::string(text);
        return absl::OkStatus();
      },
      kErrorBounds);
  absl::Status status = reader.Feed(xml);
  if (status.ok()) status = reader.Finish();
  if (!status.ok()) return status;
  if (completed) return etag.empty() ? etag : absl::StrCat("\"", WithoutQuotes(etag), "\"");
  const absl::StatusOr<ErrorDocument> error = ParseError(xml);
  if (!error.ok()) return absl::DataLossError("it says neither that it is done nor why not");
  return absl::UnavailableError(absl::StrCat("200 with ", text::Printable(error->code), ": ",
                                             text::Quoted(error->message, 300)));
}

std::string MultipartEtag(const std::vector<std::string>& etags) {
  std::string digests;
  for (const std::string& etag : etags) {
    if (etag.size() != 32 || !std::all_of(etag.begin(), etag.end(),
                                          [](unsigned char c) { return absl::ascii_isxdigit(c); }))
      return "";
    digests += absl::HexStringToBytes(etag);
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int bytes = 0;
  if (EVP_Digest(digests.data(), digests.size(), digest, &bytes, EVP_md5(), nullptr) != 1)
    return "";  // OpenSSL has none here (FIPS)
  return absl::StrCat("\"", absl::BytesToHexString({reinterpret_cast<const char*>(digest), bytes}),
                      "-", etags.size(), "\"");
}

}  // namespace objmapper::origin::s3
