// Line by line; an indented line belongs to the key above it.
#include "origin/credentials/ini_file.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "net/text_file.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

// Without what follows a blank and a comment's character.
absl::string_view WithoutComment(absl::string_view value) {
  for (size_t i = 1; i < value.size(); ++i) {
    if ((value[i] == '#' || value[i] == ';') &&
        absl::ascii_isblank(static_cast<unsigned char>(value[i - 1])))
      return absl::StripAsciiWhitespace(value.substr(0, i));
  }
  return value;
}

// "profile  'a b'" as "profile a b": the CLI takes quotes around names.
std::string SectionName(absl::string_view text) {
  std::vector<absl::string_view> words =
      absl::StrSplit(absl::StripAsciiWhitespace(text), absl::MaxSplits(absl::ByAnyChar(" \t"), 1));
  for (absl::string_view& word : words) {
    word = absl::StripAsciiWhitespace(word);
    if (word.size() >= 2 && (word[0] == '"' || word[0] == '\'') && word.back() == word[0])
      word = word.substr(1, word.size() - 2);
  }
  return absl::StrJoin(words, " ");
}

}  // namespace

absl::StatusOr<IniFile> IniFile::Parse(absl::string_view text) {
  IniFile file;
  Section* section = nullptr;
  std::string parent;  // the key that indented lines belong to
  int number = 0;
  for (const absl::string_view whole : absl::StrSplit(text, '\n')) {
    ++number;
    const auto wrong = [number](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", what));
    };
    const absl::string_view line = absl::StripAsciiWhitespace(whole);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    const bool indented = absl::ascii_isblank(static_cast<unsigned char>(whole[0]));
    if (line[0] == '[' && !indented) {
      const size_t end = line.find(']');
      if (end == absl::string_view::npos) return wrong("behind \"[\" there is no \"]\"");
      section = &file.sections_[SectionName(line.substr(1, end - 1))];
      parent.clear();
      continue;
    }
    if (section == nullptr) return wrong("before it there is no [section]");
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos || equals == 0)
      return wrong("it is neither a [section] nor a key with \"=\" behind it");
    std::string key =
        absl::AsciiStrToLower(absl::StripTrailingAsciiWhitespace(line.substr(0, equals)));
    if (indented && !parent.empty()) {
      key = absl::StrCat(parent, ".", key);
    } else {
      parent = key;
    }
    (*section)[key] =
        std::string(WithoutComment(absl::StripLeadingAsciiWhitespace(line.substr(equals + 1))));
  }
  return file;
}

absl::StatusOr<IniFile> IniFile::Load(const std::string& path) {
  const absl::StatusOr<std::string> text = net::ReadTextFile(path, net::Readers::kAnybody);
  if (absl::IsNotFound(text.status())) return IniFile();
  if (!text.ok()) return text.status();
  absl::StatusOr<IniFile> file = Parse(*text);
  if (!file.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(text::Printable(path), ": ", file.status().message()));
  }
  return file;
}

const IniFile::Section* IniFile::Find(absl::string_view section) const {
  const auto found = sections_.find(section);
  return found == sections_.end() ? nullptr : &found->second;
}

std::string Value(const IniFile::Section& section, absl::string_view key) {
  const auto found = section.find(key);
  return found == section.end() ? "" : found->second;
}

}  // namespace objmapper::origin
