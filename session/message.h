// A message about to be sent: the bytes of one or more answers, and the descriptors that ride on
// them.
//
// With FD_BATCH one message carries up to 253 OK answers with their descriptors; else it ends with
// the first that has one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/objm/request_parser.h"
#include "session/tally.h"

namespace objmapper::session {

// One thread's, reused for all its sends: after the first few requests it allocates nothing.
class Message {
 public:
  // Adds an answer without a descriptor. The caller writes it into text() after BeginAnswer().
  // bytes: of the object, that are handed over with it.
  void BeginAnswer(const protocol::Request& request,
                   protocol::Status status = protocol::Status::kOk, uint64_t bytes = 0) {
    answers_.push_back({text_.size(), request.id, /*has_fd=*/false});
    receipts_.push_back(ReceiptOf(request, status, bytes));
  }
  // The same for an answer whose descriptor goes along.
  void BeginAnswerWithFd(const protocol::Request& request, net::UniqueFd fd, uint64_t bytes) {
    answers_.push_back({text_.size(), request.id, /*has_fd=*/true});
    receipts_.push_back(ReceiptOf(request, protocol::Status::kOk, bytes));
    numbers_.push_back(fd.get());
    fds_.push_back(std::move(fd));
  }
  // The same for a descriptor that is shared with other answers.
  void BeginAnswerWithFd(const protocol::Request& request, std::shared_ptr<const net::UniqueFd> fd,
                         uint64_t bytes) {
    answers_.push_back({text_.size(), request.id, /*has_fd=*/true});
    receipts_.push_back(ReceiptOf(request, protocol::Status::kOk, bytes));
    numbers_.push_back(fd->get());
    shared_.push_back(std::move(fd));
  }
  std::string* text() { return &text_; }

  bool empty() const { return text_.empty() && answers_.empty(); }
  size_t answer_count() const { return answers_.size(); }
  absl::string_view bytes() const { return text_; }
  const std::vector<int>& fds() const { return numbers_; }
  // What is to be counted once it has gone: one for each answer.
  const std::vector<Receipt>& receipts() const { return receipts_; }

  // Turns each answer that has a descriptor into UNAVAILABLE: the kernel would not take them, since
  // too many of this user are in flight, sent and not yet received (ETOOMANYREFS, unix(7)). So the
  // client is told, rather than kept waiting for what others must take first. The other answers
  // stay as they are. Closes the descriptors.
  void RefuseFds(
      protocol::Dialect dialect,
      absl::string_view reason = "too many descriptors in flight (ETOOMANYREFS); try again");

  // Closes the descriptors: they have gone with the first bytes. The text stays.
  void CloseFds() {
    fds_.clear();
    shared_.clear();
    numbers_.clear();
  }
  // For who closes them himself: gives those that are no others' to `out`, before they have gone:
  // their numbers stay, and so does what is shared, until Clear().
  void TakeOwnFds(std::vector<net::UniqueFd>* out) {
    for (net::UniqueFd& fd : fds_) out->push_back(std::move(fd));
    fds_.clear();
  }
  // The same once they have gone.
  void ReleaseFds(std::vector<net::UniqueFd>* out) {
    TakeOwnFds(out);
    CloseFds();
  }

  // Closes what descriptors are left; the message is empty again.
  void Clear() {
    text_.clear();
    answers_.clear();
    receipts_.clear();
    CloseFds();
  }

 private:
  struct Answer {
    size_t begin;  // in text_
    uint32_t id;
    bool has_fd;
  };

  std::string text_;
  std::vector<Answer> answers_;
  std::vector<Receipt> receipts_;
  std::vector<net::UniqueFd> fds_;
  std::vector<std::shared_ptr<const net::UniqueFd>> shared_;
  std::vector<int> numbers_;  // of both, as sendmsg(2) wants them
};

}  // namespace objmapper::session
