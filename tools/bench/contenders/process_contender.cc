#include "tools/bench/contenders/process_contender.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "net/address.h"
#include "net/dial.h"
#include "tools/bench/contenders/usage.h"

namespace objmapper::bench {

ProcessContender::~ProcessContender() {
  while (!processes_.empty()) processes_.pop_back();
}

absl::Status ProcessContender::Start(const std::string& work_dir, const std::string& log_suffix,
                                     std::vector<std::string> argv, int descriptor_3) {
  absl::StatusOr<std::unique_ptr<Process>> process =
      Process::Start({.argv = std::move(argv),
                      .log_path = absl::StrCat(work_dir, "/", name_, log_suffix, ".log"),
                      .descriptor_3 = descriptor_3});
  if (!process.ok()) return process.status();
  processes_.push_back(*std::move(process));
  return absl::OkStatus();
}

absl::Status ProcessContender::AddEndpoint(const Endpoint& endpoint) {
  net::Address address;
  if (endpoint.transport == Transport::kUnix) {
    absl::StatusOr<net::Address> checked = net::UnixAddress(endpoint.path);
    if (!checked.ok()) return checked.status();
    address = *checked;
  } else {
    address = {.kind = net::Address::Kind::kTcp, .host = "127.0.0.1", .port = endpoint.port};
  }
  const absl::Time deadline = absl::Now() + kStartTime;
  while (true) {
    absl::StatusOr<net::UniqueFd> connected = net::Dial(address, absl::Seconds(1));
    for (const auto& process : processes_) {
      absl::Status running = process->Running();
      if (!running.ok()) return running;
    }
    if (connected.ok()) break;
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          name_, " does not accept connections at ", address.ToUrl(), ": ",
          connected.status().message(), "; its log ends:\n", processes_.back()->LogEnd()));
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  endpoints_.push_back(endpoint);
  return absl::OkStatus();
}

absl::StatusOr<Endpoint> ProcessContender::endpoint(Transport transport) const {
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.transport == transport) return endpoint;
  }
  return absl::NotFoundError(
      absl::StrCat(name_, " is not reached by ", transport == Transport::kUnix ? "Unix" : "TCP"));
}

std::string ProcessContender::command() const {
  std::string all;
  for (const auto& process : processes_) {
    absl::StrAppend(&all, all.empty() ? "" : " & ", process->command());
  }
  return all + remarks_;
}

absl::StatusOr<Usage> ProcessContender::usage() const {
  Usage sum;
  for (const auto& process : processes_) {
    absl::Status status = process->Running();
    if (status.ok()) status = AddUsage(process->pid(), &sum);
    if (!status.ok()) return status;
  }
  return sum;
}

}  // namespace objmapper::bench
