// Sockets and the timer, as libcurl asks for them.
#include "origin/fetch/multi.h"

#include <errno.h>
#include <glog/logging.h>
#include <unistd.h>

#include <utility>

#include "net/clock.h"
#include "net/errno_status.h"

namespace objmapper::origin::fetch {
namespace {

void Check(CURLMcode code) { CHECK_EQ(code, CURLM_OK) << curl_multi_strerror(code); }

}  // namespace

Multi::Multi(net::Epoll* epoll, long idle_connections_max)
    : epoll_(epoll), idle_connections_max_(idle_connections_max), multi_(Make()) {}

CURLM* Multi::Make() {
  CURLM* const multi = curl_multi_init();
  CHECK(multi != nullptr) << "curl_multi_init";
  Check(curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Multi::OnSocket));
  Check(curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this));
  Check(curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Multi::OnTimer));
  Check(curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this));
  Check(curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING)));
  Check(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, idle_connections_max_));
  return multi;
}

Multi::~Multi() { Check(curl_multi_cleanup(multi_)); }

void Multi::Add(CURL* easy) {
  // A number that is closed may be another socket's at once; epoll must have forgotten it by then.
  CHECK_EQ(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &Multi::OnClose), CURLE_OK);
  CHECK_EQ(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this), CURLE_OK);
  Check(curl_multi_add_handle(multi_, easy));
}

void Multi::Remove(CURL* easy) { Check(curl_multi_remove_handle(multi_, easy)); }

void Multi::CloseIdle() {
  Check(curl_multi_cleanup(multi_));
  next_ns_ = net::kNever;
  multi_ = Make();
}

void Multi::Act(const epoll_event& event) {
  const auto socket = static_cast<curl_socket_t>(reinterpret_cast<intptr_t>(event.data.ptr));
  // Closed by what another event of the same batch led to.
  if (watched_.count(socket) == 0) return;
  int flags = 0;
  if ((event.events & (EPOLLIN | EPOLLHUP)) != 0) flags |= CURL_CSELECT_IN;
  if ((event.events & EPOLLOUT) != 0) flags |= CURL_CSELECT_OUT;
  if ((event.events & EPOLLERR) != 0) flags |= CURL_CSELECT_ERR;
  Do(socket, flags);
}

void Multi::ActOnTime() {
  if (net::NowNs() < next_ns_) return;
  next_ns_ = net::kNever;
  Do(CURL_SOCKET_TIMEOUT, 0);
}

void Multi::Do(curl_socket_t socket, int flags) {
  int running;
  Check(curl_multi_socket_action(multi_, socket, flags, &running));
}

CURL* Multi::NextEnded(CURLcode* code) {
  int left;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    *code = message->data.result;
    return message->easy_handle;
  }
  return nullptr;
}

// libcurl 7.88 closes a socket that is still being connected without a word (cf-socket.c,
// cf_socket_close()), and says that it is to be forgotten when its number is nobody's any more, or
// another one's.
void Multi::Watch(int socket, uint32_t events) {
  void* const tag = reinterpret_cast<void*>(static_cast<intptr_t>(socket));
  const int error = epoll_->Set(socket, events, tag);
  if (error == 0) {
    watched_.insert(socket);
  } else {
    // The request will be late, which its deadlines see.
    LOG_EVERY_N(ERROR, 1000) << "origin: " << net::ErrnoToStatus(error, "epoll_ctl").message();
  }
}

void Multi::Unwatch(int socket) {
  if (watched_.erase(socket) != 0) epoll_->Forget(socket);
}

int Multi::OnSocket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  auto* multi = static_cast<Multi*>(self);
  switch (what) {
    case CURL_POLL_IN:
      multi->Watch(socket, EPOLLIN);
      return 0;
    case CURL_POLL_OUT:
      multi->Watch(socket, EPOLLOUT);
      return 0;
    case CURL_POLL_INOUT:
      multi->Watch(socket, EPOLLIN | EPOLLOUT);
      return 0;
    default:
      multi->Unwatch(socket);
      return 0;
  }
}

int Multi::OnTimer(CURLM*, long timeout_ms, void* self) {
  static_cast<Multi*>(self)->next_ns_ =
      timeout_ms < 0 ? net::kNever : net::NowNs() + int64_t{timeout_ms} * 1'000'000;
  return 0;
}

int Multi::OnClose(void* self, curl_socket_t socket) {
  static_cast<Multi*>(self)->Unwatch(socket);
  return close(socket);
}

}  // namespace objmapper::origin::fetch
