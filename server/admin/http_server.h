// HTTP for the operator's door: a loop of its own that nothing can hold up, and a thread that makes
// pages.
//
// The loop's thread accepts, reads and writes, and never waits for a visitor: who is silent, slow,
// or sends without end costs a place among kVisitorsMax. When all are taken the one that has kept
// the server waiting longest is closed, so there is always room for the next. What is quick is
// answered by the loop itself, whatever the pages' thread does.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "net/deadline_list.h"
#include "net/epoll.h"
#include "net/listener.h"
#include "net/mutex.h"
#include "net/serving_thread.h"
#include "net/unique_fd.h"
#include "protocol/http/head.h"
#include "server/admin/http_request.h"

namespace objmapper::server {

struct HttpAnswer {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
  std::string headers = {};  // further ones, each with CR LF
};

class HttpServer {
 public:
  // Visitors at once; each costs a descriptor, a head and its answer.
  static constexpr size_t kVisitorsMax = 64;
  // Of all answers that visitors have not taken yet.
  static constexpr size_t kAnswerBytesMax = 32 << 20;
  // Pages that wait to be made; one more is told 503.
  static constexpr size_t kPagesMax = 16;

  struct Options {
    // What may stand in Host, without port and brackets; empty: anything (a Unix socket, which no
    // browser reaches).
    std::vector<std::string> hosts;
    std::string hosts_flag;  // which flag adds to them, for the refusal
    // Answers at once, on the loop's thread, without a lock that a page may hold; nullopt: it is a
    // page.
    std::function<std::optional<HttpAnswer>(const HttpRequest&)> quick;
    // Makes a page, on a thread of its own, and may wait.
    std::function<HttpAnswer(const HttpRequest&)> page;
  };

  // Serves on `listener` until it is destroyed.
  HttpServer(net::Listener listener, Options options);
  // Waits for the page that is being made.
  ~HttpServer();

  const net::Address& address() const { return listener_.address(); }

 private:
  // In the order in which visitors can best be spared.
  enum class State : uint8_t {
    kLeaving,  // has been told all, and is heard out for a moment, so that it gets to read that
    kReading,  // a request, or the first of it, is to come
    kWriting,  // its answer is to be taken
    kWaiting,  // its page is being made
  };
  struct Visitor {
    uint64_t id = 0;
    net::UniqueFd socket;
    State state = State::kReading;
    int64_t since_ns = 0;  // when it got into that state, or began a request
    net::DeadlineHook deadline;
    uint32_t events = 0;  // what epoll is asked for
    std::string input;    // at most protocol::http::kHeadBytesMax
    protocol::http::HeadReader reader;
    std::string output;
    size_t sent = 0;
    size_t dropped = 0;  // kLeaving: bytes that came
    int answers = 0;
    bool begun = false;      // the first byte of its request has come
    bool head = false;       // of the request that is being answered
    bool close = false;      // after its answer
    bool peer_done = false;  // it has shut its side down
  };
  struct Page {
    uint64_t visitor = 0;
    HttpRequest request;
  };
  struct Made {
    uint64_t visitor = 0;
    HttpAnswer answer;
  };

  void Run();
  void Accept();
  void OnEvent(uint64_t id, uint32_t events);
  // Each may end the visitor.
  void Read(Visitor* visitor);
  void Advance(Visitor* visitor);
  void Dispatch(Visitor* visitor, HttpRequest request);
  void Answer(Visitor* visitor, const HttpAnswer& answer);
  void Write(Visitor* visitor);
  void HearOut(Visitor* visitor);

  using Deadlines = net::DeadlineList<Visitor, &Visitor::deadline>;
  Deadlines& DeadlinesOf(const Visitor& visitor) {
    return deadlines_[static_cast<size_t>(visitor.state)];
  }
  void Enter(Visitor* visitor, State state);
  void Watch(Visitor* visitor, uint32_t events);
  void End(Visitor* visitor);
  // Closes the one that has kept us waiting longest, but not `but`. False: there is no other that
  // has for `least_ns`.
  bool MakeRoom(const Visitor* but, bool writers_alone, int64_t least_ns);
  void Expire();
  int SleepMs();
  void MakePages();

  net::Listener listener_;
  const Options options_;

  // ---- The loop's own ----
  net::Epoll epoll_;
  net::UniqueFd reserve_;  // given up for a visitor when the process is out of descriptors
  bool resting_ = false;   // the listener is not polled: no descriptor was to be had
  int64_t rest_until_ns_ = 0;
  uint64_t next_id_ = kFirstId;
  int64_t looked_ns_ = 0;  // when it was last begun to look at what has come
  std::map<uint64_t, std::unique_ptr<Visitor>> visitors_;
  // How long a visitor may be in each state. A request has 5 seconds from its first byte on, which
  // a byte now and then does not prolong; an answer may have to go through a slow tunnel.
  Deadlines deadlines_[4] = {Deadlines(absl::Seconds(1)), Deadlines(absl::Seconds(5)),
                             Deadlines(absl::Seconds(60)), Deadlines(absl::Seconds(30))};
  size_t output_bytes_ = 0;      // of all visitors
  std::vector<uint64_t> again_;  // who have had an answer, and had sent more: one request a round

  net::Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Page> pages_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread page_thread_;
  net::ServingThread<Made> loop_thread_;

  // Tags of epoll that are no visitor's.
  static constexpr uint64_t kListenerTag = 0, kMadeTag = 1, kFirstId = 2;
};

}  // namespace objmapper::server
