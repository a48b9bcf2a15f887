// The operator's door: HTTP on --admin_listen.
//
//   absl::StatusOr<std::unique_ptr<Admin>> admin = Admin::Open(address, hosts);   // /healthz,
//   /readyz says 503
//   (*admin)->Serve(server);                                                     // everything
//   (*admin)->Drain();                                                           // /readyz says
//   503 again
//
//   /          the status page          /metrics   Prometheus            /stats   JSON
//   /healthz   200 while it is alive    /readyz    200 while it serves and all its threads go on,
//   else 503 /flagz     the flags                /connz     the connections, ?n= of them
//   /origins   where objects come from  /cache     what is here of them, and what may be done with
//   it (cache_pages.h)
//
// All but /cache/ is read only, and on threads of its own: nothing is asked of a lane. No access
// control of its own: a Unix socket has its file's, and TCP is bound to loopback alone
// (server/flags/config.cc), and answers to names of loopback. What a visitor can cost is bounded
// (http_server.h); /healthz and /readyz are answered while pages hang.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/address.h"
#include "net/listener.h"

namespace objmapper::server {

class Server;

class Admin {
 public:
  // Listens and answers. hosts: what may stand in a request's Host, where it comes by TCP, beside
  // localhost, 127.0.0.1,
  // [::1] and the address it listens on. Errors as net::Listener::Open().
  static absl::StatusOr<std::unique_ptr<Admin>> Open(const net::Address& address,
                                                     std::vector<std::string> hosts);
  // The same on a socket that listens already.
  static std::unique_ptr<Admin> On(net::Listener listener, std::vector<std::string> hosts);
  // Stops answering; removes the socket file that it made.
  virtual ~Admin() = default;

  // From now on there is a server to be looked at. It outlives this object or Leave().
  virtual void Serve(Server* server) = 0;
  virtual void Drain() = 0;
  // The server goes: waits until nobody looks at it.
  virtual void Leave() = 0;

  virtual const std::string& url() const = 0;
};

}  // namespace objmapper::server
