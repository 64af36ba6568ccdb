package identity

import (
	"context"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tunneld/fault"
)

// agentTimeout bounds one answer of the agent when it only lists its keys. A
// signature may wait for a person who touches a key: the attempt's own deadline
// bounds it.
const agentTimeout = 5 * time.Second

// agentKeys is one connection to an agent and the keys that it listed. The zero
// value has none.
type agentKeys struct {
	keys []ssh.Signer
	conn net.Conn
	stop func() bool // releases the watch of ctx
}

// openAgent connects to the agent at socket and lists its keys. The connection
// ends with ctx, or with close. Its error has the code agent_unavailable.
func openAgent(ctx context.Context, socket string) (agentKeys, error) {
	conn, err := DialAgent(ctx, socket)
	if err != nil {
		return agentKeys{}, err
	}
	a := agentKeys{conn: conn, stop: context.AfterFunc(ctx, func() { conn.Close() })}
	conn.SetDeadline(time.Now().Add(agentTimeout))
	if a.keys, err = agent.NewClient(conn).Signers(); err != nil {
		a.close()
		return agentKeys{}, fault.New(fault.AgentUnavailable, fault.Auth, "agent at %s: %w", socket, err)
	}
	conn.SetDeadline(time.Time{})
	return a, nil
}

// DialAgent connects to the agent at a socket or pipe. Its error has the code
// agent_unavailable.
func DialAgent(ctx context.Context, socket string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	conn, err := dialAgent(ctx, socket)
	if err != nil {
		return nil, fault.New(fault.AgentUnavailable, fault.Auth, "agent: %w", err)
	}
	return conn, nil
}

// CountAgentKeys asks the agent at a socket or pipe how many keys it holds. Its
// error has the code agent_unavailable.
func CountAgentKeys(ctx context.Context, socket string) (int, error) {
	a, err := openAgent(ctx, socket)
	defer a.close()
	return len(a.keys), err
}

// find returns the agent's key with this public half, or nil.
func (a agentKeys) find(public ssh.PublicKey) ssh.Signer {
	if public == nil {
		return nil
	}
	for _, s := range a.keys {
		if sameKey(s.PublicKey(), public) {
			return s
		}
	}
	return nil
}

func (a agentKeys) close() {
	if a.conn != nil {
		a.stop()
		a.conn.Close()
	}
}
