// The objmapper program, run as its user runs it.
#pragma once

#include <stdio.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"

namespace objmapper::tools {

struct Outcome {
  int exit_code = -1;
  std::string out;  // stdout
  std::string err;  // stderr
};

// Runs a line of the shell. `err`: a file that its stderr goes to.
inline Outcome RunShell(const std::string& line, const std::string& err) {
  Outcome outcome;
  FILE* pipe = popen(absl::StrCat(line, " 2>", err).c_str(), "r");
  char buffer[4096];
  size_t got;
  while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) outcome.out.append(buffer, got);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  std::ifstream in(err, std::ios::binary);
  outcome.err = std::string(std::istreambuf_iterator<char>(in), {});
  return outcome;
}

}  // namespace objmapper::tools
