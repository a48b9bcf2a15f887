// expat's callbacks, and the bounds.
//
// expat keeps a token (a tag, a comment) until it is whole, and looks at it from its beginning each
// time that a piece is added. So pieces are small, and a token that is longer than several of them
// is refused: neither memory nor time is anybody else's to decide.
#include "origin/s3/xml_reader.h"

#include <expat.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace objmapper::origin::s3 {
namespace {

constexpr size_t kPieceBytes = 4 << 10;
constexpr size_t kTokenBytesMax = 16 << 10;

}  // namespace

struct XmlReader::Expat {
  XML_Parser parser;

  static XmlReader* Of(void* data) { return static_cast<XmlReader*>(data); }
  static void OnBegin(void* data, const XML_Char* name, const XML_Char** /*attributes*/) {
    Of(data)->Begin(name);
  }
  static void OnEnd(void* data, const XML_Char* /*name*/) { Of(data)->End(); }
  static void OnText(void* data, const XML_Char* text, int length) {
    Of(data)->Text({text, static_cast<size_t>(length)});
  }
  static void OnOther(void* data, const XML_Char* /*text*/, int /*length*/) {
    XmlReader* const reader = Of(data);
    reader->reached_ = static_cast<uint64_t>(XML_GetCurrentByteIndex(reader->expat_->parser));
  }
  static void OnDoctype(void* data, const XML_Char* /*name*/, const XML_Char* /*system*/,
                        const XML_Char* /*public_id*/, int /*has_subset*/) {
    Of(data)->Fail(absl::DataLossError("it has a document type, which is never read"));
  }
};

XmlReader::XmlReader(OnElement on_element, const XmlBounds& bounds)
    : on_element_(std::move(on_element)),
      bounds_(bounds),
      expat_(std::make_unique<Expat>(Expat{XML_ParserCreate("UTF-8")})) {
  CHECK(expat_->parser != nullptr) << "no memory for an XML parser";
  XML_SetUserData(expat_->parser, this);
  XML_SetElementHandler(expat_->parser, Expat::OnBegin, Expat::OnEnd);
  XML_SetCharacterDataHandler(expat_->parser, Expat::OnText);
  XML_SetDefaultHandler(expat_->parser, Expat::OnOther);
  XML_SetStartDoctypeDeclHandler(expat_->parser, Expat::OnDoctype);
}

XmlReader::~XmlReader() { XML_ParserFree(expat_->parser); }

void XmlReader::Fail(absl::Status why) {
  if (status_.ok()) status_ = std::move(why);
  XML_StopParser(expat_->parser, /*resumable=*/XML_FALSE);
}

void XmlReader::Begin(absl::string_view name) {
  Expat::OnOther(this, nullptr, 0);
  if (texts_.size() == bounds_.depth_max) {
    return Fail(absl::DataLossError(
        absl::StrCat("its elements are more than ", bounds_.depth_max, " deep")));
  }
  name.remove_prefix(name.find(':') + 1);  // npos + 1 is 0
  // Blanks of any number of lines between elements are not one text.
  if (!texts_.empty()) texts_.back().clear();
  absl::StrAppend(&path_, path_.empty() ? "" : "/", name);
  texts_.emplace_back();
}

void XmlReader::Text(absl::string_view text) {
  Expat::OnOther(this, nullptr, 0);
  std::string& own = texts_.back();
  if (own.size() + text.size() > bounds_.text_bytes_max) {
    return Fail(absl::DataLossError(
        absl::StrCat("an element has more than ", bounds_.text_bytes_max, " bytes of text")));
  }
  own.append(text.data(), text.size());
}

void XmlReader::End() {
  Expat::OnOther(this, nullptr, 0);
  // Between child elements there are line ends and blanks; a key that is nothing but blanks comes
  // encoded.
  absl::string_view text = texts_.back();
  if (absl::StripAsciiWhitespace(text).empty()) text = "";
  absl::Status status = on_element_(path_, text);
  texts_.pop_back();
  const size_t slash = path_.rfind('/');
  path_.resize(slash == std::string::npos ? 0 : slash);
  if (!status.ok()) Fail(std::move(status));
}

absl::Status XmlReader::Parse(absl::string_view piece, bool last) {
  const XML_Status parsed =
      XML_Parse(expat_->parser, piece.data(), static_cast<int>(piece.size()), last ? 1 : 0);
  fed_ += piece.size();
  if (!status_.ok()) return status_;
  if (parsed != XML_STATUS_OK) {
    status_ =
        absl::DataLossError(absl::StrCat("at byte ", XML_GetCurrentByteIndex(expat_->parser), ": ",
                                         XML_ErrorString(XML_GetErrorCode(expat_->parser))));
  } else if (fed_ - std::min(fed_, reached_) > kTokenBytesMax + kPieceBytes) {
    status_ = absl::DataLossError(absl::StrCat(
        "at byte ", reached_, ": a tag or a comment is longer than ", kTokenBytesMax, " bytes"));
  }
  return status_;
}

absl::Status XmlReader::Feed(absl::string_view piece) {
  if (status_.ok() && piece.size() > bounds_.bytes_max - fed_) {
    status_ = absl::DataLossError(absl::StrCat("it is longer than ", bounds_.bytes_max, " bytes"));
  }
  while (status_.ok() && !piece.empty()) {
    const absl::string_view small = piece.substr(0, kPieceBytes);
    piece.remove_prefix(small.size());
    Parse(small, /*last=*/false).IgnoreError();
  }
  return status_;
}

absl::Status XmlReader::Finish() { return status_.ok() ? Parse("", /*last=*/true) : status_; }

}  // namespace objmapper::origin::s3
