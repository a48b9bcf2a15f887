// Reads the command line, flagfiles and the environment. Each mistake becomes an error with its
// place; nothing is ignored without a warning.
#include "server/flags/command_line.h"

#include <gflags/gflags.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "text/printable.h"

namespace objmapper::server {
namespace {

using gflags::CommandLineFlagInfo;

constexpr size_t kLikeMax = 3;

// Letters to change, add, drop or swap with their neighbours to make `b` of `a` (Damerau and
// Levenshtein's distance, "optimal string alignment").
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(last, row);
  }
  return last[b.size()];
}

std::string WantedBy(const CommandLineFlagInfo& flag) {
  if (flag.type == "bool") return "expected true or false";
  if (flag.type == "double") return "expected a number";
  if (absl::StartsWith(flag.type, "uint"))
    return absl::StrCat("expected a whole number, 0 or more (", flag.type, ")");
  if (absl::StartsWith(flag.type, "int"))
    return absl::StrCat("expected a whole number (", flag.type, ")");
  return absl::StrCat("expected a value of type ", flag.type);
}

// gflags takes --max-pipeline for --max_pipeline.
std::string Underscored(absl::string_view name) { return absl::StrReplaceAll(name, {{"-", "_"}}); }

absl::string_view WithoutDashes(absl::string_view name) {
  return name.substr(std::min(name.find_first_not_of('-'), name.size()));
}

std::optional<CommandLineFlagInfo> FlagNamed(absl::string_view name) {
  CommandLineFlagInfo flag;
  if (!gflags::GetCommandLineFlagInfo(std::string(name).c_str(), &flag)) return std::nullopt;
  return flag;
}

// Where a flag was found: "", "FILE, line 3: ", "$FLAGS_x: ".
using Place = std::string;

class Reader {
 public:
  CommandLine Read(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    for (size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      if (argument == "--") {
        for (++i; i < arguments.size(); ++i) NoFlag(arguments[i]);
      } else if (argument.size() < 2 || argument[0] != '-') {
        NoFlag(argument);
      } else {
        const std::string* const next = i + 1 < arguments.size() ? &arguments[i + 1] : nullptr;
        if (One(argument, next, "")) ++i;
      }
    }
    for (auto& [name, error] : unknown_) {
      if (Tolerated(name)) {
        said_.warnings.push_back(absl::StrCat("--undefok: --", text::Printable(name),
                                              " is not a flag of this server, and is ignored"));
      } else {
        said_.errors.push_back(std::move(error));
      }
    }
    LookAtEnvironment();
    return std::move(said_);
  }

 private:
  void NoFlag(const std::string& argument) {
    said_.errors.push_back(
        absl::StrCat(text::Quoted(argument, 200), " is not a flag; see --help."));
  }

  // One "--name", "--name=value" or "--noname". next: the argument behind it, null when there is
  // none or it is out of the question. True: that was its value.
  bool One(absl::string_view argument, const std::string* next, const Place& place) {
    absl::string_view name = WithoutDashes(argument);
    std::optional<std::string> value;
    if (const size_t equals = name.find('='); equals != name.npos) {
      value.emplace(name.substr(equals + 1));
      name = name.substr(0, equals);
    }
    const std::string known = Underscored(name);
    std::optional<CommandLineFlagInfo> flag = FlagNamed(known);
    if (!flag.has_value()) {
      absl::string_view positive = known;
      if (absl::ConsumePrefix(&positive, "no")) flag = FlagNamed(positive);
      if (!flag.has_value() || flag->type != "bool") {
        Unknown(std::string(name), argument, place);
      } else if (value.has_value()) {
        Wrong(place, absl::StrCat("--", name, " takes no value: write --", flag->name, "=false"));
      } else {
        Set(*flag, "false", place);
      }
      return false;
    }
    if (value.has_value() || flag->type == "bool") {
      Set(*flag, value.value_or("true"), place);
      return false;
    }
    // A number may be below zero.
    const bool follows =
        next != nullptr && (next->size() < 2 || (*next)[0] != '-' ||
                            absl::ascii_isdigit(static_cast<unsigned char>((*next)[1])));
    if (!follows) {
      Wrong(place, absl::StrCat("--", flag->name, " has no value: write --", flag->name, "=VALUE",
                                next == nullptr
                                    ? ""
                                    : absl::StrCat("; after it comes ", text::Quoted(*next, 100))));
      return false;
    }
    Set(*flag, *next, place);
    return true;
  }

  void Unknown(const std::string& name, absl::string_view argument, const Place& place) {
    std::string error =
        absl::StrCat(place, "--", text::Printable(name.substr(0, 100)), " is not a flag");
    const size_t blank = argument.find_first_of(" \t");
    const absl::string_view bare = WithoutDashes(argument.substr(0, blank));
    if (blank != argument.npos && FlagNamed(bare).has_value()) {
      absl::StrAppend(
          &error, ": on one line, --", bare,
          " and its value must be joined by \"=\", and a comment needs a line of its own.");
    } else if (const std::vector<std::string> like = FlagsLike(name); !like.empty()) {
      absl::StrAppend(&error, "; is --", absl::StrJoin(like, " or --"), " meant? See --help.");
    } else {
      absl::StrAppend(&error, "; see --help.");
    }
    unknown_.emplace_back(name, std::move(error));
  }

  void Wrong(const Place& place, absl::string_view sentence) {
    said_.errors.push_back(absl::StrCat(place, sentence, "."));
  }

  void Set(const CommandLineFlagInfo& flag, const std::string& value, const Place& place) {
    if (flag.name == "flagfile") return ReadFiles(value, place);
    if (flag.name == "fromenv") return ReadVariables(value, /*must_be_there=*/true, place);
    if (flag.name == "tryfromenv") return ReadVariables(value, /*must_be_there=*/false, place);
    if (flag.name == "undefok") {
      for (const absl::string_view name : absl::StrSplit(value, ',', absl::SkipEmpty()))
        undefok_.insert(Underscored(WithoutDashes(name)));
      return;
    }
    if (gflags::SetCommandLineOption(flag.name.c_str(), value.c_str()).empty()) {
      Wrong(place, absl::StrCat("--", flag.name, "=", text::Printable(value),
                                " is not valid: ", WantedBy(flag)));
    }
  }

  // --flagfile may name several, and each may name others.
  void ReadFiles(const std::string& paths, const Place& place) {
    if (paths.empty()) return Wrong(place, "--flagfile= names no file");
    for (const std::string& path : std::vector<std::string>(absl::StrSplit(paths, ','))) {
      if (path.empty()) {
        Wrong(place, absl::StrCat("--flagfile=", text::Printable(paths),
                                  " has an empty file name between two commas, or at its end"));
        continue;
      }
      struct stat status {};
      const bool there = stat(path.c_str(), &status) == 0;
      const auto identity = std::pair(status.st_dev, status.st_ino);
      if (there && std::find(reading_.begin(), reading_.end(), identity) != reading_.end()) {
        Wrong(place, absl::StrCat(
                         "--flagfile=", text::Printable(path),
                         " names a file that is being read already: the files include each other"));
        continue;
      }
      const absl::StatusOr<Flagfile> file = ReadFlagfile(path);
      if (!file.ok()) {
        Wrong(place, file.status().message());
        continue;
      }
      said_.errors.insert(said_.errors.end(), file->errors.begin(), file->errors.end());
      reading_.push_back(identity);
      std::map<std::string, int> lines;  // by the flag's name
      for (const FlagfileLine& line : file->lines) {
        const std::string name(
            absl::StripAsciiWhitespace(line.text.substr(0, line.text.find('='))));
        const auto [earlier, first] = lines.emplace(name, line.number);
        if (!first) {
          said_.warnings.push_back(absl::StrCat(
              text::Printable(path), ": ", text::Printable(name), " is on line ", earlier->second,
              " and again on line ", line.number, "; the last one counts"));
          earlier->second = line.number;
        }
        One(line.text, nullptr, absl::StrCat(text::Printable(path), ", line ", line.number, ": "));
      }
      reading_.pop_back();
    }
  }

  void ReadVariables(const std::string& names, bool must_be_there, const Place& place) {
    for (const absl::string_view item : absl::StrSplit(names, ',', absl::SkipEmpty())) {
      const absl::string_view name = WithoutDashes(item);
      const std::string variable = absl::StrCat("FLAGS_", name);
      const char* const value = getenv(variable.c_str());
      asked_.insert(variable);
      const std::optional<CommandLineFlagInfo> flag = FlagNamed(name);
      if (!flag.has_value()) {
        Unknown(std::string(name), absl::StrCat("--", name),
                absl::StrCat(place, must_be_there ? "--fromenv" : "--tryfromenv", ": "));
      } else if (value == nullptr) {
        if (must_be_there)
          Wrong(place, absl::StrCat("--fromenv=", name, ": there is no ", variable,
                                    " in the environment"));
      } else if (name == "fromenv" || name == "tryfromenv") {
        Wrong(place, absl::StrCat("--fromenv=", name, " would be read again and again"));
      } else {
        Set(*flag, value, absl::StrCat(place, "$", variable, ": "));
      }
    }
  }

  // A variable that looks like a flag and is not asked for does nothing: somebody may think it
  // does.
  void LookAtEnvironment() {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      absl::string_view name = *entry;
      name = name.substr(0, name.find('='));
      // What the unit for systemd puts on our command line is in OBJMAPPER_FLAGS.
      constexpr absl::string_view kUnits = "OBJMAPPER_FLAGS";
      if (name != kUnits && name.size() <= kUnits.size() + 2 && Distance(name, kUnits) <= 2) {
        said_.warnings.push_back(absl::StrCat(text::Printable(name),
                                              " is in the environment and has no effect; is ",
                                              kUnits, " meant?"));
      }
      if (asked_.count(std::string(name)) > 0 || !absl::ConsumePrefix(&name, "FLAGS_")) continue;
      if (!FlagNamed(name).has_value()) continue;
      said_.warnings.push_back(
          absl::StrCat("FLAGS_", name, " is in the environment and has no effect: --fromenv=", name,
                       " or --tryfromenv=", name, " would read it"));
    }
  }

  // As gflags: --undefok=foo forgives --nofoo as well.
  bool Tolerated(const std::string& given) const {
    const std::string name = Underscored(given);
    return undefok_.count(name) > 0 ||
           (absl::StartsWith(name, "no") && undefok_.count(name.substr(2)) > 0);
  }

  CommandLine said_;
  // names and errors, since --undefok may come later
  std::vector<std::pair<std::string, std::string>> unknown_;
  std::set<std::string> undefok_;
  std::set<std::string> asked_;                   // variables of the environment
  std::vector<std::pair<dev_t, ino_t>> reading_;  // the flagfiles that are open, outermost first
};

}  // namespace

std::vector<std::string> FlagsLike(const std::string& name) {
  const std::string wanted = absl::AsciiStrToLower(Underscored(name));
  if (wanted.size() < 2) return {};
  std::vector<CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  std::vector<std::pair<size_t, std::string>> like;  // how far, and which
  for (const CommandLineFlagInfo& flag : flags) {
    size_t distance = Distance(wanted, flag.name);
    absl::string_view positive = wanted;
    if (flag.type == "bool" && absl::ConsumePrefix(&positive, "no")) {
      if (const size_t other = Distance(positive, flag.name); other < distance) distance = other;
    }
    const size_t most = std::max<size_t>(1, wanted.size() / 4);
    // --rules for --rules_file, --listen for --listen_unix.
    const bool begins = wanted.size() >= 4 && absl::StartsWith(flag.name, wanted);
    const bool ends = wanted.size() >= 4 && absl::EndsWith(flag.name, absl::StrCat("_", wanted));
    if (begins || ends) distance = std::min(distance, most);
    if (distance <= most) like.emplace_back(distance, flag.name);
  }
  std::stable_sort(like.begin(), like.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (const auto& [distance, flag] : like) {
    if (names.size() == kLikeMax || (!names.empty() && distance > like[0].first)) break;
    names.push_back(flag);
  }
  return names;
}

CommandLine ReadCommandLine(int argc, char** argv) {
  gflags::SetArgv(argc, const_cast<const char**>(argv));
  return Reader().Read(argc, argv);
}

}  // namespace objmapper::server
