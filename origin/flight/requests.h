// What one piece of work has asked of an origin, and is waiting for: answers come back on its
// strand, with their heads and their bodies, which are short.
//
//   Requests requests(fetcher, strand);
//   requests.Send(source->Send(...), [self](const Answer& answer) { self->OnSent(answer); });
//
// The strand's alone. Whoever it belongs to lives until every answer has come: `then` holds it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "origin/fetch/fetcher.h"
#include "origin/flight/account.h"
#include "origin/flight/strand.h"

namespace objmapper::origin {

struct Answer {
  std::optional<fetch::Head> head;  // of an answer that succeeded
  std::string body;                 // of the same
  fetch::Outcome outcome;
};

class Requests {
 public:
  // fetcher: outlives all requests. account: of the origin that they go to.
  Requests(fetch::Fetcher* fetcher, std::shared_ptr<Account> account,
           std::shared_ptr<Strand> strand)
      : fetcher_(fetcher), account_(std::move(account)), strand_(std::move(strand)) {}

  // then: called once, on the strand, never inside this call. head_alone: no body is wanted; one
  // that comes all the same ends the request (kRefusedBySink), with its head.
  void Send(fetch::Request request, std::function<void(const Answer&)> then,
            bool head_alone = false);
  // They end soon.
  void CancelAll();
  bool empty() const { return running_.empty(); }
  size_t size() const { return running_.size(); }

 private:
  class AnswerSink;
  void Ended(uint64_t number) { running_.erase(number); }

  fetch::Fetcher* const fetcher_;
  const std::shared_ptr<Account> account_;
  const std::shared_ptr<Strand> strand_;
  std::map<uint64_t, uint64_t> running_;  // the fetcher's numbers (0: it took none), by our own
  uint64_t sent_ = 0;                     // numbers given
};

}  // namespace objmapper::origin
