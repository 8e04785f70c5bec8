// One deal in two stages, from offer to paid-out. Needs a sandbox: escrowd --ephemeral
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
)

type milestone struct {
	ID     string  `json:"id,omitempty"`
	Title  string  `json:"title"`
	Amount float64 `json:"amount"`
}

type escrow struct {
	ID           string      `json:"id"`
	PaymentToken string      `json:"paymentToken"`
	Amount       float64     `json:"amount"`
	Fee          float64     `json:"fee"`
	Status       string      `json:"status"`
	Milestones   []milestone `json:"milestones"`
}

var (
	url = "http://127.0.0.1:8080"
	key = "sk_test_" + random() // a merchant of this run alone
)

func random() string {
	bytes := make([]byte, 16)
	if _, err := rand.Read(bytes); err != nil {
		log.Fatal(err)
	}
	return hex.EncodeToString(bytes)
}

// call sends a request as a customer and reads the reply's data.
func call(method, path, customer string, body, data any) {
	sent, err := json.Marshal(body)
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest(method, url+path, bytes.NewReader(sent))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("customer-id", customer)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	reply := struct {
		Message string `json:"message"`
		Data    any    `json:"data"`
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&reply); err != nil {
		log.Fatal(err)
	}
	if response.StatusCode >= 300 {
		log.Fatalf("%s %s: %d %s", method, path, response.StatusCode, reply.Message)
	}
}

func balance(customer string) float64 {
	var wallet struct {
		MainBalance float64 `json:"mainBalance"`
	}
	call("GET", "/v1/wallet", customer, nil, &wallet)
	return wallet.MainBalance
}

func main() {
	if address := os.Getenv("ESCROWD_URL"); address != "" {
		url = address
	}
	before := balance("ada")

	// Ada offers a shop fit-out in two stages.
	var deal escrow
	call("POST", "/v1/escrow/milestone/create", "ada", map[string]any{
		"amount":     10_000,
		"purpose":    "Shop fit-out",
		"whoPays":    "buyer",
		"milestones": []milestone{{Title: "Frame", Amount: 4_000}, {Title: "Finish", Amount: 6_000}},
	}, &deal)
	fmt.Printf("offered %s: %v and a fee of %v\n", deal.PaymentToken, deal.Amount, deal.Fee)

	// Ben pays once. The money waits.
	var payment struct {
		Amount float64 `json:"amount"`
	}
	call("POST", "/v1/payment/escrow", "ben", map[string]any{
		"reference":     random(), // makes the payment safe to repeat
		"escrowDetails": map[string]any{"escrowId": deal.ID},
	}, &payment)
	fmt.Printf("paid %v\n", payment.Amount)

	// Ben confirms each stage, and Ada is paid for it.
	for _, stage := range deal.Milestones {
		var now escrow
		call("POST", "/v1/escrow/milestone/confirm/"+deal.ID+"/"+stage.ID, "ben", nil, &now)
		fmt.Printf("confirmed %s: the deal is %s\n", stage.Title, now.Status)
	}

	fmt.Printf("Ada earned %v\n", balance("ada")-before)
}
