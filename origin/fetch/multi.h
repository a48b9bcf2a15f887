// libcurl's multi interface on an epoll instance: curl_multi_socket_action(3), level-triggered.
//
//   net::Epoll epoll;
//   Multi multi(&epoll, /*idle_connections_max=*/64);
//   multi.Add(easy);
//   for (const epoll_event& event : epoll.Wait(... multi.next_ns() ...)) multi.Act(event);
//   multi.ActOnTime();
//   while (CURL* easy = multi.NextEnded(&code)) { multi.Remove(easy); ... }
//
// A socket's tag in the epoll instance is its number, which is never a pointer and never 0. One
// thread. Handles are borrowed, and removed before they or this die.
#pragma once

#include <curl/curl.h>
#include <sys/epoll.h>

#include <cstdint>
#include <unordered_set>

#include "net/deadline_list.h"
#include "net/epoll.h"

namespace objmapper::origin::fetch {

class Multi {
 public:
  // epoll: borrowed.
  Multi(net::Epoll* epoll, long idle_connections_max);
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;
  ~Multi();

  // Sets CURLOPT_CLOSESOCKETFUNCTION.
  void Add(CURL* easy);
  // Ends what it does. A connection with a whole answer behind it stays for others.
  void Remove(CURL* easy);

  void Act(const epoll_event& event);
  // Does what libcurl has asked to be called for at a time, if that has come.
  void ActOnTime();
  // When that is; net::kNever: nothing.
  int64_t next_ns() const { return next_ns_; }

  // Closes connections that nobody uses, which libcurl does only when a new one is made. There is
  // no handle.
  void CloseIdle();

  // One that has ended, with its result; nullptr: no more.
  CURL* NextEnded(CURLcode* code);

 private:
  static int OnSocket(CURL* easy, curl_socket_t socket, int what, void* self, void* socket_data);
  static int OnTimer(CURLM* multi, long timeout_ms, void* self);
  static int OnClose(void* self, curl_socket_t socket);

  void Watch(int socket, uint32_t events);
  void Unwatch(int socket);
  void Do(curl_socket_t socket, int flags);

  CURLM* Make();

  net::Epoll* const epoll_;
  const long idle_connections_max_;
  CURLM* multi_;
  int64_t next_ns_ = net::kNever;
  std::unordered_set<int> watched_;
};

}  // namespace objmapper::origin::fetch
