package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"captchagate/policy"
	"captchagate/store"
)

// budgetsEvery is how often what was taken from the budgets is written: a kill
// hands no more than that out anew.
const budgetsEvery = time.Second

// budgets keeps what was taken from the scenes' budgets over restarts.
type budgets struct {
	policy *policy.Policy
	store  store.Values
	log    *slog.Logger
	kept   []byte
}

const (
	budgetsBucket = "budgets"
	budgetsName   = "scenes"
)

// newBudgets takes from the policy's budgets what an earlier process took.
func newBudgets(ctx context.Context, p *policy.Policy, s store.Values, log *slog.Logger) (*budgets, error) {
	b := &budgets{policy: p, store: s, log: log}
	kept, ok, err := s.Get(ctx, budgetsBucket, budgetsName)
	if err != nil || !ok {
		return b, err
	}
	var spendings map[string]policy.Spending
	if err := json.Unmarshal(kept, &spendings); err != nil {
		return nil, fmt.Errorf("what the store keeps of the scenes' budgets cannot be read: %w", err)
	}
	b.kept = kept
	p.Restore(spendings)
	return b, nil
}

// Run writes what was taken until ctx ends, and once more then.
func (b *budgets) Run(ctx context.Context) {
	ticks := time.NewTicker(budgetsEvery)
	defer ticks.Stop()
	failing := false
	for going := true; going; {
		select {
		case <-ctx.Done():
			going = false
		case <-ticks.C:
		}
		err := b.write(context.WithoutCancel(ctx))
		switch failed := err != nil; {
		case failed && !failing:
			b.log.Error("what was taken from the budgets cannot be written; a restart would hand it out anew", "about", "budgets", "error", err)
		case failing && !failed:
			b.log.Info("what was taken from the budgets is written again", "about", "budgets")
		}
		failing = err != nil
	}
}

func (b *budgets) write(ctx context.Context) error {
	now, err := json.Marshal(b.policy.Spendings())
	if err != nil || bytes.Equal(now, b.kept) || b.kept == nil && string(now) == "{}" {
		return err
	}
	if err := b.store.Put(ctx, budgetsBucket, budgetsName, now, 0); err != nil {
		return err
	}
	b.kept = now
	return nil
}
