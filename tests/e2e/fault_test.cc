// System calls that fail while a server serves: what its clients see, that nothing stays behind,
// that it goes on. Each row here is one of docs/reliability.md's.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"
#include "tests/faults/injection.h"

namespace objmapper::e2e {
namespace {

using faults::Fault;

// What a client may see of a fault, besides right answers. Wrong bytes never.
enum class Sees : uint8_t {
  kNothing,           // every answer is right
  kUnavailable,       // UNAVAILABLE with RETRY_AFTER; the connection goes on
  kUnavailableOrCut,  // the same, but where a body has begun the connection ends in it
  kStorage,           // STORAGE_ERROR, or an answer that is cut: the disk's bytes cannot be had
  kEnd,               // the connection ends
};

struct Row {
  const char* name;
  std::vector<const char*> calls;
  int error;  // 0: cut short
  int every;
  Sees sees;
  std::vector<std::string> flags = {};  // without which the server would not make the call
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

const Row kRows[] = {
    {"EintrOnSockets",
     {"accept4", "recv", "recvmsg", "send", "sendmsg", "sendmmsg"},
     EINTR,
     3,
     Sees::kNothing},
    {"EintrOnWaiting", {"epoll_wait", "io_uring_submit"}, EINTR, 3, Sees::kNothing},
    {"EintrOnFiles", {"pread", "preadv2", "splice", "sendfile"}, EINTR, 3, Sees::kNothing},
    {"EintrOnTheRing", {"ring_send", "ring_sendmsg", "ring_recv"}, EINTR, 3, Sees::kNothing},
    {"EagainOnSockets",
     {"accept4", "recvmsg", "send", "sendmsg", "sendmmsg", "sendfile"},
     EAGAIN,
     3,
     Sees::kNothing},
    {"EagainOnTheRing", {"ring_send", "ring_sendmsg", "ring_recv"}, EAGAIN, 3, Sees::kNothing},
    {"ShortWrites", {"send", "sendfile", "splice", "ring_send"}, 0, 2, Sees::kNothing},
    {"ShortReads", {"recv", "recvmsg", "pread"}, 0, 2, Sees::kNothing},
    {"BufferRingExhausted", {"ring_recv"}, ENOBUFS, 2, Sees::kNothing},
    {"CompletionQueueOverflow", {"io_uring_submit"}, EBUSY, 3, Sees::kNothing},
    {"CompletionsLost", {"ring_lost"}, 0, 40, Sees::kEnd},
    {"CompletionsLostAsToldByTheKernel", {"io_uring_submit"}, EBADR, 60, Sees::kEnd},
    {"NoMemoryToSubmit", {"io_uring_submit"}, ENOMEM, 3, Sees::kNothing},
    {"NoRoomToSubmit", {"io_uring_submit"}, EAGAIN, 3, Sees::kNothing},
    {"EmfileOnOpen", {"openat2"}, EMFILE, 3, Sees::kUnavailable},
    {"EnfileOnOpen", {"openat2"}, ENFILE, 3, Sees::kUnavailable},
    {"EnomemOnOpen", {"openat2"}, ENOMEM, 3, Sees::kUnavailable},
    {"EnomemOnStat", {"fstat"}, ENOMEM, 3, Sees::kUnavailableOrCut},
    {"EmfileOnAccept", {"accept4"}, EMFILE, 2, Sees::kEnd},
    {"EnomemOnAccept", {"accept4"}, ENOMEM, 2, Sees::kNothing},
    {"EmfileOnPipe", {"pipe2"}, EMFILE, 1, Sees::kNothing, {"--splice_in_loop=false"}},
    {"EnomemOnMapping", {"mmap"}, ENOMEM, 2, Sees::kUnavailable, {"--fd_cache_entries=0"}},
    {"EnospcOnWatching", {"epoll_ctl"}, ENOSPC, 2, Sees::kEnd},
    {"EtoomanyrefsOnPassing", {"sendmsg", "ring_sendmsg"}, ETOOMANYREFS, 5, Sees::kUnavailable},
    {"EioOnOpen", {"openat2"}, EIO, 3, Sees::kStorage},
    {"EioOnReading", {"pread", "preadv2", "sendfile", "splice"}, EIO, 3, Sees::kStorage},
    {"EconnresetOnReceiving", {"recv", "recvmsg", "ring_recv"}, ECONNRESET, 4, Sees::kEnd},
    {"EconnresetOnSending",
     {"send", "sendmsg", "sendmmsg", "ring_send", "ring_sendmsg"},
     ECONNRESET,
     4,
     Sees::kEnd},
};

class FaultTest : public testing::TestWithParam<std::tuple<std::string, Row>> {
 protected:
  void SetUp() override {
    const std::string why = WhyNotEngine(engine());
    if (!why.empty()) GTEST_SKIP() << why;
    for (int i = 0; i < kObjects; ++i) {
      tree_.Add(Uri(i), Contents(i));
    }
    // Every request asks the file system; nothing is remembered that a fault could not reach.
    std::vector<std::string> flags = {"--fd_cache_valid_ms=0", "--request_timeout=20s"};
    flags.insert(flags.end(), row().flags.begin(), row().flags.end());
    server_ = std::make_unique<ServerProcess>(
        tree_.root(),
        ServerOptions{.engine = engine(), .flags = flags, .environment = injection_.environment()});
  }

  const std::string& engine() const { return std::get<0>(GetParam()); }
  const Row& row() const { return std::get<1>(GetParam()); }

  static constexpr int kObjects = 12;
  static std::string Uri(int i) { return absl::StrCat("objects/", i); }
  // Small ones, those that are mapped, and those that are moved.
  static std::string Contents(int i) {
    constexpr size_t kSizes[] = {0, 100, 20'000, 300'000};
    return Pattern(static_cast<uint64_t>(i) + 1, kSizes[i % 4]);
  }

  Fault& Of(const char* call) { return injection_.Of(call); }
  void Switch(bool on) {
    for (const char* call : row().calls) {
      Fault& fault = Of(call);
      fault.error = row().error;
      fault.bytes = 7;
      fault.every = on ? row().every : 0;
    }
  }
  uint64_t Touched() {
    uint64_t touched = 0;
    for (const char* call : row().calls) touched += Of(call).touched;
    return touched;
  }

  // True: the connection goes on.
  bool Check(const Answer& answer, char mode, int object) {
    const std::string wanted = Contents(object);
    if (answer.kind != Answer::Kind::kResponse || answer.cut) {
      EXPECT_TRUE(row().sees == Sees::kEnd || row().sees == Sees::kStorage ||
                  row().sees == Sees::kUnavailableOrCut)
          << "the connection ended, on mode " << mode << ", object " << object;
      if (mode != kFdPass && answer.cut) {
        EXPECT_EQ(answer.body, wanted.substr(0, answer.body.size()));
      }
      ++ended_;
      return false;
    }
    if (answer.ok()) {
      if (mode == kFdPass) {
        EXPECT_TRUE(answer.fd.valid());
        if (answer.fd.valid()) {
          EXPECT_EQ(e2e::Contents(answer.fd.get()), wanted);
        }
      } else if (mode != kStat) {
        EXPECT_EQ(answer.body, wanted);
      }
      ++right_;
      return true;
    }
    ++errors_;
    switch (row().sees) {
      case Sees::kNothing:
        ADD_FAILURE() << "mode " << mode << ", object " << object << ": " << answer.status << " "
                      << (answer.Has(kErrorEntry) ? answer.metadata.at(kErrorEntry) : "");
        break;
      case Sees::kUnavailable:
      case Sees::kUnavailableOrCut:
      case Sees::kEnd:  // who cannot be let in is told so
        ExpectRefused(answer, Status::kUnavailable);
        EXPECT_TRUE(answer.Has(kRetryAfterEntry));
        return row().sees != Sees::kEnd;
      case Sees::kStorage:
        ExpectRefused(answer, static_cast<Status>(0x11));
        break;
    }
    return true;
  }

  // Takes the larger objects out of the page cache.
  void MakeCold() {
    for (int i = 0; i < kObjects; ++i) {
      if (i % 4 < 2) continue;
      const net::UniqueFd file(open(tree_.Path(Uri(i)).c_str(), O_RDONLY | O_CLOEXEC));
      EXPECT_EQ(fdatasync(file.get()), 0);
      EXPECT_EQ(posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    }
  }

  // All modes and objects, on connections old and new.
  void AskForEverything() {
    for (int round = 0; round < 4; ++round) {
      MakeCold();
      std::unique_ptr<RawClient> client;
      for (int i = 0; i < kObjects; ++i) {
        for (const char mode : {kFdPass, kCopy, kSplice, kStat}) {
          if (client == nullptr) {
            client = std::make_unique<RawClient>(RawClient::V1(server_->Unix()));
          }
          if (!Check(client->Get({.mode = mode, .uri = Uri(i)}), mode, i)) client.reset();
        }
      }
    }
    RawClient tcp = RawClient::V1(server_->Tcp());
    for (int i = 0; i < kObjects; ++i) {
      if (!Check(tcp.Get({.mode = i % 2 == 0 ? kCopy : kSplice, .uri = Uri(i)}), kCopy, i)) break;
    }
  }
  // Many at once, with their descriptors in few messages.
  void AskInABatch(RawClient* client) {
    std::vector<Question> questions;
    for (int i = 0; i < 48; ++i)
      questions.push_back({.mode = i % 3 == 2 ? kCopy : kFdPass, .uri = Uri(i % kObjects)});
    client->AskAll(questions);
    for (int i = 0; i < 48; ++i) {
      if (!Check(client->Next(), questions[i].mode, i % kObjects)) return;
    }
  }

  ObjectTree tree_;
  TempDir directory_;
  const faults::Injection injection_{directory_.path()};
  std::unique_ptr<ServerProcess> server_;
  int right_ = 0, errors_ = 0, ended_ = 0;
};

TEST_P(FaultTest, IsSeenForWhatItIsAndGoesBy) {
  // Warm: what the server opens once is open. But pipes, which it keeps, are not to be had from the
  // beginning on.
  const bool keeps = row().calls == std::vector<const char*>{"pipe2"};
  if (keeps) Switch(true);
  AskForEverything();
  ASSERT_EQ(errors_ + ended_, 0);
  const auto before = SettledDescriptors(*server_);
  {
    RawClient batch = RawClient::V2(server_->Unix(), kInOrder | kFdInHeader | kFdBatch);
    Switch(true);
    AskForEverything();
    AskInABatch(&batch);
    Switch(false);
  }
  RecordProperty("touched", static_cast<int>(Touched()));
  RecordProperty("errors", errors_);
  RecordProperty("ended", ended_);
  if (Touched() == 0) GTEST_SKIP() << "on " << engine() << " the server makes none of these calls";
  EXPECT_GT(right_, 0);
  // It goes on as if nothing had been, on old threads and with nothing left over.
  const int errors = errors_, ended = ended_;
  AskForEverything();
  RawClient batch = RawClient::V2(server_->Unix(), kInOrder | kFdInHeader | kFdBatch);
  AskInABatch(&batch);
  EXPECT_EQ(errors_, errors);
  EXPECT_EQ(ended_, ended);
  { const RawClient gone = std::move(batch); }
  ExpectDescriptorsBack(*server_, before);
  EXPECT_EQ(server_->Stop(SIGTERM), 0);
}

INSTANTIATE_TEST_SUITE_P(Rows, FaultTest,
                         testing::Combine(testing::ValuesIn(kEngines), testing::ValuesIn(kRows)),
                         [](const auto& info) {
                           return absl::StrCat(std::get<1>(info.param).name, "_",
                                               std::get<0>(info.param));
                         });

}  // namespace
}  // namespace objmapper::e2e
