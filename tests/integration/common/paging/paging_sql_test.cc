#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/paging/list_query.h"
#include "common/pg/pool.h"
#include "common/status/macros.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"
#include "tests/support/test_database.h"

namespace lockstep::paging {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using lockstep::testing::TestDatabase;

Context Soon() { return Context::WithTimeout(absl::Seconds(30)); }

ListSpec Spec() {
  return {.method = "ListSales",
          .filter_fields = {{.name = "total", .sql = "s.total", .type = filter::Type::kDecimal}},
          .sort_fields =
              {{.name = "sold_at",
                .sql = "s.sold_at",
                .type = filter::Type::kTime,
                .is_nullable = true},
               {.name = "note", .sql = "s.note", .is_nullable = true},
               {.name = "total", .sql = "s.total", .type = filter::Type::kDecimal},
               {.name = "paid", .sql = "s.paid", .type = filter::Type::kBool, .is_nullable = true}},
          .key = {.name = "id", .sql = "s.id", .type = filter::Type::kInteger},
          .default_order_by = "sold_at desc"};
}

class PagingSql : public ::testing::Test {
 protected:
  void SetUp() override {
    database_.Execute(
        "CREATE SCHEMA shop; CREATE SCHEMA core;"
        "CREATE TABLE shop.sales (id integer PRIMARY KEY, sold_at timestamptz, note text,"
        " total numeric(10,2) NOT NULL, paid boolean);"
        "CREATE TABLE core.signing_keys (id smallint PRIMARY KEY, secret bytea NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now())");
    pool_ = std::make_unique<pg::Pool>(pg::PoolOptions{.database_url = database_.url()});
  }

  // Few distinct values, so that ties and absent values are everywhere.
  void InsertSales(int count) {
    database_.Execute(
        "INSERT INTO shop.sales SELECT i,"
        " CASE WHEN i % 4 <> 0 THEN timestamptz '2024-01-01 00:00:00.000001+00'"
        "   + (i % 3) * interval '1 microsecond' END,"
        " (ARRAY['', 'a', 'B', NULL, 'e''f', 'é'])[1 + i % 6],"
        " (i % 3) - 1.50, (ARRAY[true, false, NULL])[1 + i % 3]"
        " FROM generate_series(1, " +
        std::to_string(count) + ") AS i");
  }

  absl::StatusOr<std::vector<int>> OnePage(ListRequest request, std::string& token) {
    request.page_token = token;
    ASSIGN_OR_RETURN(const ListQuery list, ListQuery::Make(Spec(), request, signer_));
    ASSIGN_OR_RETURN(const pg::Result rows, pool_->Read(Soon(), [&](pg::Tx& tx) {
      return tx.QueryList(list.Sql("s.id", "shop.sales s"), list.Params());
    }));
    std::vector<int> ids;
    for (int i = 0; i < list.PageRows(rows); ++i) ids.push_back(rows[i].Get<std::int32_t>("id"));
    token = list.NextPageToken(rows);
    return ids;
  }

  absl::StatusOr<std::vector<int>> AllPages(const ListRequest& request) {
    std::vector<int> ids;
    std::string token;
    do {
      ASSIGN_OR_RETURN(const std::vector<int> page, OnePage(request, token));
      if (!token.empty() && static_cast<int>(page.size()) != request.page_size) {
        return absl::InternalError("a page in the middle is not full");
      }
      ids.insert(ids.end(), page.begin(), page.end());
    } while (!token.empty());
    return ids;
  }

  // What the order means, said by PostgreSQL's own NULLS LAST and without paging.
  std::vector<int> Expected(const std::string& order_sql) {
    const auto rows = pool_->Read(Soon(), [&](pg::Tx& tx) {
      return tx.Query("SELECT s.id FROM shop.sales s ORDER BY " + order_sql);
    });
    EXPECT_OK(rows);
    std::vector<int> ids;
    for (const pg::Row row : *rows) ids.push_back(row.Get<std::int32_t>("id"));
    return ids;
  }

  TestDatabase database_ = TestDatabase::Create();
  std::unique_ptr<pg::Pool> pool_;
  const TokenSigner signer_{{std::string(32, 's')}};
};

TEST_F(PagingSql, PagesAddUpToTheWholeListInEveryOrder) {
  InsertSales(37);
  const char* const kFields[] = {"sold_at", "note", "total", "paid"};
  const char* const kDirections[] = {"asc", "desc"};
  std::vector<std::string> orders;
  for (const char* first : kFields) {
    for (const char* direction : kDirections) {
      const std::string head = std::string(first) + " " + direction;
      orders.push_back(head);
      orders.push_back(head + ", id asc");
      orders.push_back(head + ", id desc");
      for (const char* second : kFields) {
        if (second == std::string(first)) continue;
        for (const char* other : kDirections) {
          orders.push_back(head + ", " + second + " " + other);
        }
      }
    }
  }
  orders.insert(orders.end(),
                {"id asc", "id desc", "paid desc, note asc, sold_at desc, total asc"});

  for (const std::string& order : orders) {
    std::string sql = order;
    // The key follows the last field's direction when it is not named.
    if (sql.find("id ", 0) != 0 && sql.find(", id ") == std::string::npos) {
      sql += sql.ends_with("desc") ? ", id desc" : ", id asc";
    }
    for (std::size_t at = 0; (at = sql.find("sc,", at)) != std::string::npos; at += 3) {
      sql.insert(at + 2, " NULLS LAST");
    }
    const std::vector<int> want = Expected(sql + " NULLS LAST");
    for (const int page_size : {1, 5, 37}) {
      if (page_size == 1 && order.find(',') != std::string::npos) continue;
      ASSERT_OK_AND_ASSIGN(const std::vector<int> got,
                           AllPages({.order_by = order, .page_size = page_size}));
      ASSERT_EQ(got, want) << order << ", pages of " << page_size;
    }
  }
}

TEST_F(PagingSql, RowsWithoutAValueAreLastInBothDirections) {
  database_.Execute(
      "INSERT INTO shop.sales VALUES (1, NULL, NULL, 0, NULL), (2, '2024-01-01Z', NULL, 0, NULL),"
      " (3, '2024-01-02Z', NULL, 0, NULL), (4, NULL, NULL, 0, NULL)");

  EXPECT_EQ(AllPages({.order_by = "sold_at", .page_size = 1}).value(),
            std::vector<int>({2, 3, 1, 4}));
  EXPECT_EQ(AllPages({.order_by = "sold_at desc", .page_size = 1}).value(),
            std::vector<int>({3, 2, 4, 1}));
}

TEST_F(PagingSql, FilterAndPositionGoTogether) {
  InsertSales(37);

  ASSERT_OK_AND_ASSIGN(
      const std::vector<int> got,
      AllPages({.filter = "total >= 0 AND total < 5", .order_by = "id", .page_size = 4}));

  std::vector<int> want;
  for (int id = 1; id <= 37; ++id) {
    if (id % 3 == 2) want.push_back(id);
  }
  EXPECT_EQ(got, want);
}

TEST_F(PagingSql, RowsThatComeOrGoDoNotShiftThePages) {
  InsertSales(10);
  std::string token;
  ASSERT_OK_AND_ASSIGN(const std::vector<int> first,
                       OnePage({.order_by = "id", .page_size = 4}, token));
  database_.Execute(
      "DELETE FROM shop.sales WHERE id IN (2, 4);"
      "INSERT INTO shop.sales VALUES (0, NULL, NULL, 0, NULL), (-1, NULL, NULL, 0, NULL)");

  ASSERT_OK_AND_ASSIGN(const std::vector<int> second,
                       OnePage({.order_by = "id", .page_size = 4}, token));

  EXPECT_EQ(first, std::vector<int>({1, 2, 3, 4}));
  EXPECT_EQ(second, std::vector<int>({5, 6, 7, 8}));
}

TEST_F(PagingSql, ADeepPageReadsNoMoreThanTheFirst) {
  database_.Execute(
      "INSERT INTO shop.sales SELECT i, CASE WHEN i % 9 <> 0 THEN"
      " timestamptz '2024-01-01Z' + (i / 2) * interval '1 minute' END, NULL, i / 2, NULL"
      " FROM generate_series(1, 20000) AS i;"
      "CREATE INDEX ON shop.sales (total, id);"
      "CREATE INDEX ON shop.sales (sold_at DESC NULLS LAST, id DESC);"
      "CREATE INDEX ON shop.sales (sold_at, id); ANALYZE shop.sales");

  for (const std::string order : {"total", "total desc", "sold_at desc", "sold_at"}) {
    std::string token;
    ASSERT_OK(OnePage({.order_by = order, .page_size = 1000}, token));
    for (int page = 0; page < 9; ++page) {
      ASSERT_OK(OnePage({.order_by = order, .page_size = 1000}, token));
    }
    ASSERT_OK_AND_ASSIGN(
        const ListQuery list,
        ListQuery::Make(Spec(), {.order_by = order, .page_size = 10, .page_token = token},
                        signer_));
    ASSERT_OK_AND_ASSIGN(const pg::Result plan, pool_->Read(Soon(), [&](pg::Tx& tx) {
      return tx.QueryList(
          "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + list.Sql("s.id", "shop.sales s"),
          list.Params());
    }));

    std::string text;
    for (int i = 0; i < plan.size(); ++i) text += plan.Cell(i, 0).value_or("") + "\n";
    EXPECT_NE(text.find("Index Cond: "), std::string::npos) << order << "\n" << text;
    EXPECT_EQ(text.find("Sort "), text.find("Sort Key")) << order << "\n" << text;
    // At most the one row that has the position's value and a smaller key, besides the last row
    // itself.
    const std::size_t removed = text.find("Rows Removed by Filter: ");
    if (removed != std::string::npos) {
      EXPECT_LE(std::stoi(text.substr(removed + 24)), 2) << order << "\n" << text;
    }
  }
}

TEST_F(PagingSql, ReplicasAgreeOnTheSigningKeyAndRestartsKeepIt) {
  std::vector<std::unique_ptr<pg::Pool>> pools;
  for (int i = 0; i < 4; ++i) {
    pools.push_back(std::make_unique<pg::Pool>(pg::PoolOptions{.database_url = database_.url()}));
  }
  std::vector<std::optional<TokenSigner>> signers(12);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < signers.size(); ++i) {
    threads.emplace_back([&, i] {
      auto signer = LoadOrCreateSigner(*pools[i % 4], Soon(), "core.signing_keys");
      if (signer.ok()) signers[i] = *std::move(signer);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_OK_AND_ASSIGN(const TokenSigner restarted,
                       LoadOrCreateSigner(*pool_, Soon(), "core.signing_keys"));

  for (const auto& signer : signers) {
    ASSERT_TRUE(signer.has_value());
    EXPECT_OK(restarted.Verify("q", signer->Sign("q", {"1"})));
  }
  EXPECT_EQ(
      database_.QueryText("SELECT count(*) || ' ' || min(length(secret)) FROM core.signing_keys"),
      "1 32");
}

TEST_F(PagingSql, ARotatedKeySignsAndTheOldOneIsAccepted) {
  ASSERT_OK_AND_ASSIGN(const TokenSigner before,
                       LoadOrCreateSigner(*pool_, Soon(), "core.signing_keys"));
  database_.Execute("INSERT INTO core.signing_keys VALUES (2, sha256('new'))");
  ASSERT_OK_AND_ASSIGN(const TokenSigner after,
                       LoadOrCreateSigner(*pool_, Soon(), "core.signing_keys"));

  EXPECT_OK(after.Verify("q", before.Sign("q", {"1"})));
  EXPECT_THAT(before.Verify("q", after.Sign("q", {"1"})),
              StatusIs(absl::StatusCode::kInvalidArgument, Reason("PAGE_TOKEN_INVALID")));
}

TEST_F(PagingSql, AShortSigningKeyIsRefused) {
  database_.Execute("INSERT INTO core.signing_keys VALUES (1, '\\x00')");

  EXPECT_THAT(LoadOrCreateSigner(*pool_, Soon(), "core.signing_keys"),
              StatusIs(absl::StatusCode::kFailedPrecondition, Reason("SIGNING_KEY_UNUSABLE")));
}

}  // namespace
}  // namespace lockstep::paging
