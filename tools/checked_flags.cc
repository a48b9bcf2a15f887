// Checks a command line before gflags reads it: gflags would exit with a message of its own.
#include "tools/checked_flags.h"

#include <gflags/gflags.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "text/printable.h"

namespace objmapper::tools {
namespace {

absl::Status Wrong(absl::string_view flag, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(text::Printable(flag), ": ", why, "; see --help"));
}

}  // namespace

absl::Status CheckFlags(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (argument == "--") break;
    if (argument.size() < 2 || argument[0] != '-') continue;
    absl::string_view rest = argument;
    absl::ConsumePrefix(&rest, "-");
    absl::ConsumePrefix(&rest, "-");
    const size_t equals = rest.find('=');
    std::string name(rest.substr(0, equals));
    std::optional<std::string> value;
    if (equals != absl::string_view::npos) value = std::string(rest.substr(equals + 1));
    gflags::CommandLineFlagInfo info;
    if (!gflags::GetCommandLineFlagInfo(name.c_str(), &info)) {
      // gflags' way to switch a bool off.
      const bool off = absl::StartsWith(name, "no") && !value.has_value() &&
                       gflags::GetCommandLineFlagInfo(name.c_str() + 2, &info) &&
                       info.type == "bool";
      if (!off) return Wrong(argument, "there is no such flag");
      continue;
    }
    if (!value.has_value() && info.type == "bool") continue;
    if (!value.has_value()) {
      if (++i >= argc) return Wrong(argument, absl::StrCat("it needs a value: ", info.description));
      value = argv[i];
    }
    if (name == "flagfile") {
      if (access(value->c_str(), R_OK) == 0) continue;
      return absl::NotFoundError(
          absl::StrCat("--flagfile=", text::Printable(*value), " cannot be read"));
    }
    if (gflags::SetCommandLineOption(name.c_str(), value->c_str()).empty()) {
      return Wrong(absl::StrCat("--", name, "=", *value),
                   absl::StrCat("expected ", info.type == "bool"
                                                 ? "true or false"
                                                 : absl::StrCat("a value of type ", info.type)));
    }
  }
  return absl::OkStatus();
}

}  // namespace objmapper::tools
