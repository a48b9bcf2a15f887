#include "tools/bench/fio.h"

#include <stdio.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace objmapper::bench {

namespace {

absl::StatusOr<Sample> SampleFrom(const std::string& output, size_t files) {
  Sample sample;
  try {
    // --group_reporting makes one job of all.
    const nlohmann::json job = nlohmann::json::parse(output).at("jobs").at(0);
    const nlohmann::json& read = job.at("read");
    sample.seconds = read.at("runtime").get<double>() / 1e3;
    sample.bytes = read.at("io_bytes").get<uint64_t>();
    sample.errors = job.at("error").get<uint64_t>();
    // usr_cpu and sys_cpu are percentages of the run time summed over the jobs.
    sample.server_cpu_s = (job.at("usr_cpu").get<double>() + job.at("sys_cpu").get<double>()) /
                          100 * job.at("job_runtime").get<double>() / 1e3;
    sample.threads = static_cast<int>(files);
  } catch (const nlohmann::json::exception& error) {
    return absl::InternalError(absl::StrCat("fio's output makes no sense: ", error.what()));
  }
  sample.requests = files;
  return sample;
}

}  // namespace

absl::StatusOr<Sample> RunFio(const std::vector<std::string>& files) {
  if (system("command -v fio >/dev/null 2>&1") != 0) {
    return absl::NotFoundError("not installed; Debian's package is fio");
  }
  std::string command =
      "fio --output-format=json --group_reporting --rw=read --bs=256k --ioengine=psync";
  for (size_t i = 0; i < files.size(); ++i) {
    absl::StrAppend(&command, " --name=file", i, " --readonly --filename='", files[i], "'");
  }
  FILE* const fio = popen((command + " 2>/dev/null").c_str(), "r");
  if (fio == nullptr) return absl::InternalError("cannot start fio");
  std::string output;
  char block[4096];
  for (size_t got; (got = fread(block, 1, sizeof block, fio)) > 0;) output.append(block, got);
  if (const int status = pclose(fio); status != 0) {
    return absl::InternalError(absl::StrCat("fio ended with status ", status));
  }
  return SampleFrom(output, files.size());
}

}  // namespace objmapper::bench
