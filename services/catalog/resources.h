// The standard methods (Get, List, Create, Update, Delete) of a plain resource, with the rules of a
// service as hooks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "common/paging/list_query.h"
#include "common/paging/page_signer.h"
#include "common/pg/pool.h"
#include "common/request_id/request_id.h"
#include "common/rpc/call.h"
#include "common/status/macros.h"
#include "google/protobuf/empty.pb.h"
#include "services/catalog/plumbing.h"
#include "services/catalog/resource_store.h"

namespace lockstep::catalog {

// What a resource needs beyond its table. All may be empty; they run inside the transaction, which
// may run more than once.
template <typename M>
struct ResourceHooks {
  // Checks what CheckFields does not know. `fields` are those that the request is about.
  std::function<absl::Status(const M& resource, const FieldSet& fields)> check = nullptr;
  // Completes a new resource.
  std::function<absl::Status(pg::Tx& tx, M& resource, ExtraColumns& extra)> before_insert = nullptr;
  // `name` exists now.
  std::function<absl::Status(pg::Tx& tx, const std::string& name, const M& resource)> after_insert =
      nullptr;
  // Completes a change: `after` is what `before` becomes, `fields` what will be written.
  std::function<absl::Status(pg::Tx& tx, const M& before, const M& changes, M& after,
                             FieldSet& fields, ExtraColumns& extra)>
      before_update = nullptr;
  // Adds what is not in the row.
  std::function<absl::Status(pg::Tx& tx, google::protobuf::RepeatedPtrField<M>& resources)>
      complete = nullptr;
};

// Thread-safe.
template <typename M>
class Resources final {
 public:
  Resources(const ResourceSpec& spec, pg::Pool& pool, paging::PageSigner& signer,
            ResourceHooks<M> hooks = {})
      : store_(spec), pool_(pool), signer_(signer), hooks_(std::move(hooks)) {}

  const ResourceStore& store() const { return store_; }

  // Inside a transaction of the caller's.
  [[nodiscard]] absl::StatusOr<M> Read(pg::Tx& tx, const std::string& name, bool lock) const {
    google::protobuf::RepeatedPtrField<M> one;
    RETURN_IF_ERROR(store_.Read(tx, name, lock, *one.Add()));
    if (hooks_.complete) RETURN_IF_ERROR(hooks_.complete(tx, one));
    return std::move(*one.Mutable(0));
  }

  [[nodiscard]] absl::StatusOr<M> Get(const rpc::Call& call, const std::string& name) const {
    return pool_.Read(call.context(), [&](pg::Tx& tx) { return Read(tx, name, /*lock=*/false); });
  }

  // `rows` is the response's repeated field, as &Response::mutable_brands.
  template <typename Response, typename Request>
  [[nodiscard]] absl::StatusOr<Response> List(
      const rpc::Call& call, const Request& in,
      google::protobuf::RepeatedPtrField<M>* (Response::*rows)(),
      const std::optional<Search>& search = std::nullopt) const {
    ASSIGN_OR_RETURN(const paging::TokenSigner* signer, signer_.Get(call.context()));
    const paging::ListRequest request{.filter = in.filter(),
                                      .order_by = in.order_by(),
                                      .page_size = in.page_size(),
                                      .page_token = in.page_token(),
                                      .scope = search ? std::string_view(search->value) : ""};
    ASSIGN_OR_RETURN(const paging::ListQuery list,
                     paging::ListQuery::Make(store_.spec().list, request, *signer, search ? 2 : 1));
    return pool_.Read(call.context(), [&](pg::Tx& tx) -> absl::StatusOr<Response> {
      Response out;
      auto& found = *(out.*rows)();
      ASSIGN_OR_RETURN(std::string token, store_.List(tx, list, search ? &*search : nullptr,
                                                      [&found] { return found.Add(); }));
      if (hooks_.complete) RETURN_IF_ERROR(hooks_.complete(tx, found));
      out.set_next_page_token(std::move(token));
      return out;
    });
  }

  // `extra`: columns that the request carries beside the resource (the slug).
  template <typename Request>
  [[nodiscard]] absl::StatusOr<M> Create(const rpc::Call& call, const Request& in,
                                         const M& resource, const ExtraColumns& extra = {}) const {
    RETURN_IF_ERROR(Check(resource, store_.writable()));
    return Change<M>(call, in, [&](pg::Tx& tx) -> absl::StatusOr<M> {
      M completed = resource;
      ExtraColumns columns = extra;
      if (hooks_.before_insert) RETURN_IF_ERROR(hooks_.before_insert(tx, completed, columns));
      ASSIGN_OR_RETURN(const std::string name, store_.Insert(tx, completed, columns));
      if (hooks_.after_insert) RETURN_IF_ERROR(hooks_.after_insert(tx, name, completed));
      return Read(tx, name, /*lock=*/false);
    });
  }

  template <typename Request>
  [[nodiscard]] absl::StatusOr<M> Update(const rpc::Call& call, const Request& in,
                                         const M& changes) const {
    ASSIGN_OR_RETURN(const FieldSet fields, store_.FieldsOfUpdate(changes, in.update_mask()));
    RETURN_IF_ERROR(Check(changes, fields));
    return Change<M>(call, in, [&](pg::Tx& tx) -> absl::StatusOr<M> {
      ASSIGN_OR_RETURN(const M before, Read(tx, changes.name(), /*lock=*/true));
      RETURN_IF_ERROR(ResourceStore::CheckEtag(changes.etag(), before));
      M after = before;
      RETURN_IF_ERROR(store_.Merge(changes, fields, after));
      FieldSet written = fields;
      ExtraColumns extra;
      if (hooks_.before_update) {
        RETURN_IF_ERROR(hooks_.before_update(tx, before, changes, after, written, extra));
      }
      RETURN_IF_ERROR(store_.Update(tx, after, written, extra));
      return Read(tx, changes.name(), /*lock=*/false);
    });
  }

  template <typename Request>
  [[nodiscard]] absl::StatusOr<google::protobuf::Empty> Delete(const rpc::Call& call,
                                                               const Request& in,
                                                               const std::string& etag = "") const {
    return Change<google::protobuf::Empty>(
        call, in, [&](pg::Tx& tx) -> absl::StatusOr<google::protobuf::Empty> {
          M before;
          RETURN_IF_ERROR(store_.Read(tx, in.name(), /*lock=*/true, before));
          if (!etag.empty()) RETURN_IF_ERROR(ResourceStore::CheckEtag(etag, before));
          RETURN_IF_ERROR(store_.Delete(tx, in.name()));
          return google::protobuf::Empty();
        });
  }

  // Runs `function`, absl::StatusOr<Response>(pg::Tx&), in one transaction, once per request_id.
  template <typename Response, typename Request, typename Function>
  [[nodiscard]] absl::StatusOr<Response> Change(const rpc::Call& call, const Request& in,
                                                Function function) const {
    RETURN_IF_ERROR(request_id::Validate(in.request_id()));
    return pool_.Write(call.context(), [&](pg::Tx& tx) -> absl::StatusOr<Response> {
      return request_id::With(tx, kPlumbing.request_results, in, call.method(), function);
    });
  }

 private:
  [[nodiscard]] absl::Status Check(const M& resource, const FieldSet& fields) const {
    RETURN_IF_ERROR(CheckFields(store_.spec(), resource, fields));
    return hooks_.check ? hooks_.check(resource, fields) : absl::OkStatus();
  }

  ResourceStore store_;
  pg::Pool& pool_;
  paging::PageSigner& signer_;
  ResourceHooks<M> hooks_;
};

}  // namespace lockstep::catalog
