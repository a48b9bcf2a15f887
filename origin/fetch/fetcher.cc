// The origin thread: one round is a wait, what libcurl does with what has come, mail, and then who
// has ended, who is late, who may begin.
#include "origin/fetch/fetcher.h"

#include <glog/logging.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/deadline_list.h"
#include "origin/fetch/url.h"

namespace objmapper::origin::fetch {
namespace {

const Judgement kStopped{Verdict::kCancelled, Cause::kOurs, Again::kNever, "the server stops"};
const Judgement kCancelled{Verdict::kCancelled, Cause::kOurs, Again::kNever, "cancelled"};

Options Checked(Options options) {
  // Before any other thread of libcurl's, and once; thread-safe from 7.84 on.
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  CHECK_EQ(ready, CURLE_OK) << "curl_global_init: " << curl_easy_strerror(ready);
  CHECK_GT(options.running_max, 0);
  CHECK_GT(options.running_per_origin, 0);
  return options;
}

}  // namespace

Fetcher::Fetcher(Options options, std::function<double()> random)
    : options_(Checked(std::move(options))),
      generator_(std::random_device()()),
      policy_(
          options_.retry,
          random ? std::move(random)
                 : [this] { return std::uniform_real_distribution<double>()(generator_); }),
      admission_(static_cast<size_t>(options_.running_max),
                 static_cast<size_t>(options_.running_per_origin)),
      multi_(&epoll_, options_.running_max) {
  CHECK_EQ(epoll_.Add(thread_.event_fd(), EPOLLIN, nullptr), 0);
}

Fetcher::~Fetcher() { CHECK_EQ(unfinished_.load(), 0u) << "Stop() first"; }

void Fetcher::Start() {
  thread_.Start("origin/0", [this] { Run(); });
  net::MutexLock lock(&door_->mutex);
  door_->fetcher = this;
}

absl::StatusOr<uint64_t> Fetcher::Fetch(Request request, std::shared_ptr<Sink> sink) {
  const uint64_t id = last_id_.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::string shown = Shown(request.url);
  absl::StatusOr<std::unique_ptr<Transfer>> transfer =
      Transfer::Make(id, std::move(request), std::move(sink), &options_);
  if (!transfer.ok()) return transfer.status();
  net::MutexLock lock(&door_->mutex);
  if (door_->fetcher == nullptr) {
    return absl::UnavailableError(absl::StrCat(shown, ": the server stops"));
  }
  const size_t most = static_cast<size_t>(options_.running_max) + options_.waiting_max;
  if (unfinished_.load(std::memory_order_relaxed) >= most) {
    return absl::ResourceExhaustedError(
        absl::StrCat(shown, ": ", options_.waiting_max, " requests to origins wait already"));
  }
  unfinished_.fetch_add(1, std::memory_order_relaxed);
  thread_.Put({Letter::Kind::kFetch, id, *std::move(transfer)});
  return id;
}

void Fetcher::Cancel(uint64_t id) {
  net::MutexLock lock(&door_->mutex);
  if (door_->fetcher != nullptr) thread_.Put({Letter::Kind::kCancel, id, nullptr});
}

size_t Fetcher::waiting() const {
  const size_t unfinished = unfinished_.load(std::memory_order_relaxed);
  return unfinished - std::min(unfinished, running());
}

void Fetcher::Stop() {
  {
    // What is put from now on would have no reader.
    net::MutexLock lock(&door_->mutex);
    door_->fetcher = nullptr;
  }
  thread_.Stop();
}

void Fetcher::Run() {
  // TLS writes with write(2), which has no MSG_NOSIGNAL.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  while (true) {
    const int64_t looked_ns = net::NowNs();
    for (const epoll_event& event : epoll_.Wait(net::SleepMs(NextNs(), looked_ns))) {
      if (event.data.ptr != nullptr) multi_.Act(event);
    }
    multi_.ActOnTime();
    TakeMail();
    EndEnded();
    EndLate(looked_ns);
    WakeDue(looked_ns);
    Admit();
    CloseUnused(looked_ns);
    if (thread_.Beat() == net::ServingPhase::kStopping) break;
  }
  TakeMail();
  while (!entries_.empty()) Cancel(&entries_.begin()->second, kStopped);
}

int64_t Fetcher::NextNs() const {
  int64_t next_ns = multi_.next_ns();
  if (!due_.empty()) next_ns = std::min(next_ns, due_.begin()->first);
  if (in_multi_.empty() && unused_since_ns_ != 0)
    next_ns = std::min(next_ns, unused_since_ns_ + absl::ToInt64Nanoseconds(options_.idle_max));
  for (const Entry* entry : in_multi_) {
    next_ns = std::min(next_ns, entry->transfer->exchange()->deadline_ns());
  }
  return next_ns;
}

// Else they stay open for as long as nothing is asked, after the origin has closed them.
void Fetcher::CloseUnused(int64_t looked_ns) {
  if (!in_multi_.empty()) {
    unused_since_ns_ = net::NowNs();
  } else if (unused_since_ns_ != 0 &&
             looked_ns >= unused_since_ns_ + absl::ToInt64Nanoseconds(options_.idle_max)) {
    multi_.CloseIdle();
    unused_since_ns_ = 0;
  }
}

void Fetcher::TakeMail() {
  for (Letter& letter : thread_.TakeAll()) {
    if (letter.kind == Letter::Kind::kFetch) {
      Entry& entry = entries_[letter.id];
      entry.transfer = std::move(letter.transfer);
      Queue(&entry);
      continue;
    }
    const auto found = entries_.find(letter.id);
    if (found == entries_.end()) continue;
    if (letter.kind == Letter::Kind::kCancel) {
      Cancel(&found->second, kCancelled);
    } else if (found->second.state == State::kRefreshing) {
      TakeOut(&found->second);
      Queue(&found->second);
    }
  }
}

void Fetcher::Cancel(Entry* entry, const Judgement& why) {
  TakeOut(entry);
  entry->transfer->Abandon(why);
  Follow(entry, {Transfer::Step::Kind::kDone, {}});
}

void Fetcher::EndEnded() {
  CURLcode code;
  while (CURL* easy = multi_.NextEnded(&code)) {
    Transfer* transfer = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    Entry* const entry = &entries_.at(transfer->id());
    TakeOut(entry);
    Follow(entry, transfer->End(code, &policy_));
  }
}

void Fetcher::EndLate(int64_t looked_ns) {
  std::vector<std::pair<Entry*, std::pair<Cause, std::string>>> late;
  for (Entry* entry : in_multi_) {
    std::string why;
    const Cause cause = entry->transfer->exchange()->Late(looked_ns, &why);
    if (cause != Cause::kNone) late.push_back({entry, {cause, std::move(why)}});
  }
  for (auto& [entry, reason] : late) {
    TakeOut(entry);
    Follow(entry, entry->transfer->EndLate(reason.first, std::move(reason.second), &policy_));
  }
}

void Fetcher::WakeDue(int64_t now_ns) {
  while (!due_.empty() && due_.begin()->first <= now_ns) {
    Entry* const entry = &entries_.at(due_.begin()->second);
    if (entry->state == State::kRefreshing) {
      Cancel(entry, {Verdict::kTrouble, Cause::kExpired, Again::kNever,
                     absl::StrCat("the credentials have expired, and no others came within ",
                                  absl::FormatDuration(options_.refresh_max))});
      continue;
    }
    TakeOut(entry);
    Queue(entry);
  }
}

void Fetcher::Admit() {
  while (const uint64_t id = admission_.Next()) {
    Entry* const entry = &entries_.at(id);
    entry->state = State::kRunning;
    const std::optional<Transfer::Step> step = entry->transfer->Begin(&policy_);
    if (step.has_value()) {
      TakeOut(entry);
      Follow(entry, *step);
      continue;
    }
    multi_.Add(entry->transfer->exchange()->easy());
    in_multi_.insert(entry);
  }
  running_.store(admission_.running(), std::memory_order_relaxed);
}

void Fetcher::TakeOut(Entry* entry) {
  switch (entry->state) {
    case State::kQueued:
      admission_.Leave(entry->transfer->id(), entry->transfer->origin());
      return;
    case State::kRunning:
      if (in_multi_.erase(entry) != 0) multi_.Remove(entry->transfer->exchange()->easy());
      admission_.Ended(entry->transfer->origin());
      running_.store(admission_.running(), std::memory_order_relaxed);
      return;
    case State::kDelayed:
    case State::kRefreshing:
      due_.erase({entry->due_ns, entry->transfer->id()});
      return;
  }
}

void Fetcher::Follow(Entry* entry, const Transfer::Step& step) {
  switch (step.kind) {
    case Transfer::Step::Kind::kDone:
      entries_.erase(entry->transfer->id());
      unfinished_.fetch_sub(1, std::memory_order_relaxed);
      return;
    case Transfer::Step::Kind::kAgain:
      return Queue(entry);
    case Transfer::Step::Kind::kLater:
      return SetDue(entry, State::kDelayed, step.delay);
    case Transfer::Step::Kind::kRefresh:
      return Refresh(entry);
  }
}

void Fetcher::Queue(Entry* entry) {
  entry->state = State::kQueued;
  admission_.Wait(entry->transfer->id(), entry->transfer->origin());
}

void Fetcher::SetDue(Entry* entry, State state, absl::Duration after) {
  entry->state = state;
  entry->due_ns = net::NowNs() + absl::ToInt64Nanoseconds(after);
  due_.insert({entry->due_ns, entry->transfer->id()});
}

void Fetcher::Refresh(Entry* entry) {
  SetDue(entry, State::kRefreshing, options_.refresh_max);
  entry->transfer->request().refresh([door = door_, id = entry->transfer->id()] {
    net::MutexLock lock(&door->mutex);
    if (door->fetcher != nullptr) {
      door->fetcher->thread_.Put({Letter::Kind::kRefreshed, id, nullptr});
    }
  });
}

}  // namespace objmapper::origin::fetch
