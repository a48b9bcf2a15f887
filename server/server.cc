#include "server/server.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "net/listener.h"

namespace objmapper::server {

Server::Server(const Config& config) : config_(config) {
  limits_.idle_timeout = config.idle_timeout;
  limits_.request_timeout = config.request_timeout;
  limits_.requests_max = config.requests_per_conn;
  limits_.max_pipeline = config.max_pipeline;
  limits_.parallelism =
      static_cast<uint8_t>(std::min(255, config.pool_size + config.splice_pool_size));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config) {
  auto server = std::unique_ptr<Server>(new Server(config));
  absl::StatusOr<storage::Tree> tree = storage::Tree::Open(config.root);
  if (!tree.ok()) return tree.status();
  server->tree_ = std::make_unique<storage::Tree>(*std::move(tree));
  server->index_ = std::make_unique<storage::Index>(config.index_entries, config.fd_cache_valid);

  router::Demultiplexer::Options router_options;
  router_options.limits = &server->limits_;
  router_options.counters = &server->counters_;
  router_options.connections_max = config.max_connections;
  for (const net::Address& address : config.listen) {
    absl::StatusOr<net::Listener> listener = net::Listener::Open(address);
    if (!listener.ok()) return listener.status();
    server->urls_.push_back(listener->address().ToUrl());
    router_options.listeners.push_back(*std::move(listener));
  }
  server->demultiplexer_ = std::make_unique<router::Demultiplexer>(std::move(router_options));

  copypath::LoopOptions loop;
  loop.limits = &server->limits_;
  loop.tree = server->tree_.get();
  loop.index = server->index_.get();
  loop.connections = &server->counters_;
  loop.switchboard = server->demultiplexer_.get();
  loop.engine = config.io_engine;
  loop.cache_entries = config.fd_cache_entries;
  loop.cache_valid = config.fd_cache_valid;
  loop.splice_bytes_min = config.splice_bytes_min;
  absl::StatusOr<std::unique_ptr<copypath::CopyPathLane>> copypath =
      copypath::CopyPathLane::Create(loop, config.copy_loops, config.splice_pool_size);
  if (!copypath.ok()) return copypath.status();
  server->copypath_ = *std::move(copypath);

  if (config.fdpass_lane) {
    fdpass::Worker::Options worker;
    worker.limits = &server->limits_;
    worker.tree = server->tree_.get();
    worker.index = server->index_.get();
    worker.connections = &server->counters_;
    worker.switchboard = server->demultiplexer_.get();
    worker.busy_poll = config.busy_poll;
    worker.shared_fds = config.fd_sharing ? config.fd_cache_entries : 0;
    worker.cache_valid = config.fd_cache_valid;
    server->fdpass_ = std::make_unique<fdpass::FdPassLane>(worker, config.pool_size);
  }
  server->demultiplexer_->Start(server->fdpass_.get(), server->copypath_.get());
  return server;
}

Server::~Server() {
  // The router first: it gives the lanes nothing new. What lanes give back to it after that waits
  // in its mailbox and dies with it.
  if (demultiplexer_ != nullptr) demultiplexer_->Stop();
  if (fdpass_ != nullptr) fdpass_->Stop();
  if (copypath_ != nullptr) copypath_->Stop();
}

bool Server::Drain() {
  demultiplexer_->Drain();
  if (fdpass_ != nullptr) fdpass_->Drain();
  copypath_->Drain();
  const absl::Time until = absl::Now() + config_.drain_timeout;
  while (counters_.open.load(std::memory_order_acquire) != 0) {
    if (absl::Now() >= until) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

std::string Server::Shape() const {
  return absl::StrCat(
      "serving ", config_.root, " on ", absl::StrJoin(urls_, ", "), "; ",
      config_.concurrency_model, ": ",
      fdpass_ == nullptr ? "no fdpass lane (no Unix socket), "
                         : absl::StrCat(config_.pool_size, " fdpass workers, "),
      config_.copy_loops, " copy loop(s) on ", copypath_->engine_name(), ", ",
      config_.splice_pool_size, " splice threads; at most ", config_.max_connections,
      " connections, ", config_.max_pipeline, " requests in a pipeline");
}

}  // namespace objmapper::server
